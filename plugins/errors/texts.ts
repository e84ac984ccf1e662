import { codePointOf } from '../../schemas/text.ts'

const LONGEST_QUOTE = 40
/** What a text without a fault may be made of. */
const PLAIN = ['a', '1']
const HIDDEN = /[\p{C}\p{M}\p{DI}\p{Z}]/u
const VISIBLE = /[^\p{C}\p{M}\p{DI}\s\u2800]/u

/** What is wrong with a text that the pattern does not take. */
export function faultOfText(text: string, pattern: string): string {
  if (text === '') return 'is empty'
  const taken = new RegExp(pattern, 'u')
  if (!taken.test(' ') && text.trim() === '') return 'is blank: it has white space alone'
  const plain = PLAIN.find((character) => taken.test(character))
  if (plain === undefined) return `is ${quote(text)}`
  const refused = [...new Set(text)].find((character) => !taken.test(plain + character))
  if (refused !== undefined) return `has ${nameOf(refused)}, which is not taken here`
  if (!VISIBLE.test(text)) return 'has nothing that can be seen by itself'
  const [first = '', ...rest] = text
  return rest.some((character) => taken.test(character))
    ? `begins with ${nameOf(first)}`
    : 'has no letter or digit'
}

function nameOf(character: string): string {
  if (character === ' ') return 'a space'
  if (character === '\t') return 'a tab'
  if (/[\n-\r\u0085\u2028\u2029]/.test(character)) return `${codePointOf(character)}, a line break`
  if (character === '\0') return 'U+0000, the NUL character'
  if (/\p{Cc}/u.test(character)) return `${codePointOf(character)}, a control character`
  if (/\p{Cs}/u.test(character)) return `${codePointOf(character)}, half of a character`
  return HIDDEN.test(character)
    ? `${codePointOf(character)}, a character that cannot be seen`
    : quote(character)
}

/** A text as a person can read it, so much of it as is needed to find it. */
export function quote(text: string): string {
  const cut = text.length <= LONGEST_QUOTE ? text : `${text.slice(0, LONGEST_QUOTE)}…`
  return JSON.stringify(cut.toWellFormed())
}

/** How many characters a text has, by code points as JSON Schema counts them. */
export function countCharacters(text: string): number {
  let count = text.length
  for (let at = 1; at < text.length; at++)
    if (isHalf(text, at - 1, 0xd800) && isHalf(text, at, 0xdc00)) count -= 1
  return count
}

function isHalf(text: string, at: number, first: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === first
}
