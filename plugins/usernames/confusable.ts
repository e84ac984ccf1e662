import { unicodeResolvedScriptCodes, unicodeScript, unicodeScriptExtensions } from 'unicode-script'
import { codePointOf } from '../../schemas/text.ts'

const MOST_MARKS = 4
const TOO_MANY_MARKS = new RegExp(`\\p{Mn}{${MOST_MARKS + 1}}`, 'u')
const REPEATED_MARK = /(\p{Mn})\1/u
/** A dot above a letter that has one. */
const HIDDEN_DOT = /([\p{Soft_Dotted}\u0131\u0237])\p{Mn}*\u0307/u
const DIGIT = /\p{Nd}/u
const DIGITS = /\p{Nd}/gu
/** The blocks of what is written from right to left (DerivedBidiClass.txt). */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u
const EUROPEAN_DIGIT = /^[0-9\u06f0-\u06f9]/
/** Of no script of their own. */
const SHARED = ['Common', 'Inherited']
/** What Latin may be mixed with: Chinese, Japanese and Korean, each with all of its scripts. */
const EAST_ASIAN = ['Hanb', 'Jpan', 'Kore']

/**
 * Why a username could be taken for another, as what follows "The username"; undefined when it could not. It follows the
 * level "Highly Restrictive", the mixed numbers and the marks of Unicode UTS 39, sections 5.2 to 5.4, and the first of the
 * rules of RFC 5893 on what is written from right to left.
 */
export function whyConfusable(username: string): string | undefined {
  const compatible = username.normalize('NFKC')
  return (
    markFault(username.normalize('NFD')) ??
    scriptFault(compatible) ??
    digitFault(compatible) ??
    directionFault(compatible)
  )
}

function markFault(decomposed: string): string | undefined {
  const [, dotted] = HIDDEN_DOT.exec(decomposed) ?? []
  if (dotted !== undefined) return `has U+0307, which cannot be seen on ${dotted}`
  const [, repeated] = REPEATED_MARK.exec(decomposed) ?? []
  if (repeated !== undefined) return `has the mark ${codePointOf(repeated)} twice in a row`
  return TOO_MANY_MARKS.test(decomposed) ? `has more than ${MOST_MARKS} marks in a row` : undefined
}

function scriptFault(username: string): string | undefined {
  if (isHighlyRestricted(username)) return undefined
  return `mixes ${listOf(scriptsOf(username))} letters; take those of one script, or of Latin and one East Asian language`
}

function digitFault(username: string): string | undefined {
  const zeros = new Set(username.match(DIGITS)?.map(zeroOf))
  return zeros.size > 1 ? 'mixes digits of several scripts; take those of one' : undefined
}

/** Before letters that run from right to left such a digit is seen where it is seen when it comes after them. */
function directionFault(username: string): string | undefined {
  const isFault = EUROPEAN_DIGIT.test(username) && RIGHT_TO_LEFT.test(username)
  return isFault ? 'begins with a digit, but has letters that are written from right to left' : undefined
}

function isHighlyRestricted(username: string): boolean {
  const isSingleScript = unicodeResolvedScriptCodes(username).size > 0
  const besidesLatin = unicodeResolvedScriptCodes(username.replace(/\p{scx=Latin}/gu, ''))
  return isSingleScript || EAST_ASIAN.some((scripts) => besidesLatin.has(scripts))
}

function scriptsOf(username: string): string[] {
  const scripts = [...username].flatMap((character) => scriptOf(character) ?? [])
  return [...new Set(scripts)].map((script) => script.replaceAll('_', ' '))
}

function scriptOf(character: string): string | undefined {
  const candidates = [unicodeScript(character) as string, ...unicodeScriptExtensions(character)]
  return candidates.find((script) => !SHARED.includes(script))
}

/** The digits of a script follow each other from its zero on. */
function zeroOf(digit: string): number {
  const code = digit.codePointAt(0) as number
  let first = code
  while (DIGIT.test(String.fromCodePoint(first - 1))) first -= 1
  return code - ((code - first) % 10)
}

function listOf(words: string[]): string {
  return new Intl.ListFormat('en-GB').format(words)
}
