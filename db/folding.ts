/** How texts are compared, sorted and searched: what two of them have in common when they are the same to a reader. */
import LATIN_LETTERS from './latin-letters.json' with { type: 'json' }

/** Case folding, near enough to Unicode's: upper case first joins what has several lower-case forms (ß and ss, ς and σ). */
export function foldCase(text: string): string {
  return text.toUpperCase().toLowerCase()
}

/** Of two authors that a migration finds to be the same, the later one has a key that ends with this and its id. No folded text has it. */
export const KEY_SUFFIX = '\ue004'

/** Most texts are so, and only have to lose their case: ASCII without apostrophes, with single spaces and hyphens. */
const PLAIN = /^[!-&(-,./0-_a-~]+(?:[ -][!-&(-,./0-_a-~]+)*$/
const ASCII = /^[ -~]*$/

// Characters of a kind, as they are written between the brackets of an expression.
/** What cannot be seen, what only makes a word longer (tatweel and its like), Armenian intonation, and `KEY_SUFFIX`. */
const IGNORED = '\\p{DI}\\u0640\\u07fa\\u180a\\u055b\\u055c\\u055e\\u055f\\ue004'
/** Apostrophes, single quotes, primes, and what is like them among the letters that modify others: ayn, hamza, stress. */
const APOSTROPHE =
  "'`\\u02b9-\\u02c1\\u02c8\\u02ca-\\u02cc\\u02ce\\u02cf\\u02d2\\u02d3\\u02ee\\u02f4-\\u02f6\\u0559\\u055a\\u05f3\\u05f4" +
  '\\u07f4\\u07f5\\u2018-\\u201b\\u2032\\u2035\\u275b\\u275c\\u2e2f\\ua67f'
const DASH = '\\p{Dash}\\u02d7\\u2043\\u2796'
const DOUBLE_QUOTE = '"\\u00ab\\u00bb\\u201c-\\u201f\\u275d\\u275e\\u2e42\\u301d-\\u301f'
/** A mark by itself is a space with the mark on it, once it is taken apart. These are like apostrophes (´), the others not (¨). */
const LONE_ACCENT = '\\u0300\\u0301\\u0313\\u0314'
const LONE_MARK = '\\u0303-\\u0308\\u030a\\u030b\\u0327\\u0328\\u0333\\u0342\\u0345\\u064b-\\u0652\\u0670'
/** A mark that is a letter in capitals. */
const IOTA_BELOW = '\u0345'
const CYRILLIC_LETTER = '\\u0400-\\u0481\\u048a-\\u052f\\u1c80-\\u1c8f\\ua640-\\ua66e\\ua680-\\ua69d'
/** Marks of stress and tone, and those of the Church, on Cyrillic letters; an acute may also make another letter (ѓ). */
const STRESS = '\\u0300\\u030f\\u0311\\u0483-\\u0487'
/** By each Latin letter that Unicode does not take apart what a plain keyboard types for it; see scripts/latin-letters.ts. */
const TYPED = new Map(
  Object.entries(LATIN_LETTERS).flatMap(([typed, letters]) => [...letters].map((one) => [one, typed]))
)
const LATIN_LETTER = [...TYPED.keys()].join('')

const anyOf = (kind: string, then = '') => new RegExp(`[${kind}]${then}`, 'gu')
const ANY_IGNORED = anyOf(IGNORED)
const ANY_APOSTROPHE = anyOf(APOSTROPHE, '\\p{M}*')
const ANY_DASH = anyOf(DASH)
const ANY_DOUBLE_QUOTE = anyOf(DOUBLE_QUOTE)
const ANY_LONE_ACCENT = new RegExp(`\\s[${LONE_ACCENT}]\\p{M}*`, 'gu')
const ANY_LONE_MARK = new RegExp(`\\s[${LONE_MARK}]\\p{M}*`, 'gu')
const ANY_LATIN_LETTER = anyOf(LATIN_LETTER)
const ANY_STRESS = anyOf(STRESS)
const ANY_STRESS_OR_ACUTE = anyOf(`${STRESS}\\u0301`)
/** What is typed in Hebrew initials in the place of gershayim (ש"י). */
const HEBREW_QUOTE = /(?<=[\u05d0-\u05f2'])"(?=[\u05d0-\u05f2'])/gu
/** Of Catalan (col·lecció); elsewhere a middle dot parts words. */
const JOINING_DOT = /(?<=[l'])\u00b7(?=[l'])/giu
const MARKED_CYRILLIC = new RegExp(`([${CYRILLIC_LETTER}])(\\p{M}+)`, 'gu')
/** All that must be looked for once one of them is there; most texts that are no ASCII have none. */
const RARE = new RegExp(
  `[${IGNORED}${APOSTROPHE}${DASH}${DOUBLE_QUOTE}${LATIN_LETTER}${IOTA_BELOW}\\u00b7]|\\s[${LONE_ACCENT}${LONE_MARK}]|` +
    `[${CYRILLIC_LETTER}]\\p{M}*[${STRESS}\\u0301\\u0308]`,
  'u'
)
/** Here marks say how to read a letter. In other scripts they make another one (मे, が), or are what letters are put together from. */
const MARKED_LETTER =
  /([\p{Script=Latin}\p{Script=Greek}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}])\p{M}+/gu

/** Folded, but with apostrophes (`'` and `` ` ``), and with its spaces. */
function foldLetters(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  const apart = text.normalize('NFKD')
  const bare = RARE.test(apart) ? foldRare(apart) : apart.replace(MARKED_LETTER, '$1')
  return ASCII.test(bare) ? bare.toLowerCase() : foldCase(bare)
}

function foldRare(apart: string): string {
  return (
    apart
      .replace(ANY_IGNORED, '')
      // The marks that one of them kept apart now have another order.
      .normalize('NFKD')
      .replace(ANY_LONE_ACCENT, "'")
      .replace(ANY_LONE_MARK, '')
      .replaceAll(IOTA_BELOW, '')
      .replace(ANY_APOSTROPHE, "'")
      .replace(ANY_DASH, '-')
      .replace(ANY_DOUBLE_QUOTE, '"')
      .replace(MARKED_LETTER, '$1')
      .replace(MARKED_CYRILLIC, (_, letter, marks) => letter + withoutStress(letter, marks))
      .replace(ANY_LATIN_LETTER, (letter) => TYPED.get(letter) as string)
      .replace(HEBREW_QUOTE, "'")
      .replace(JOINING_DOT, '')
  )
}

/** An acute makes another letter of г and к (ѓ, ќ); a diaeresis makes none of е (ё), as in CLDR's root collation. */
function withoutStress(letter: string, marks: string): string {
  if ('ГгКк'.includes(letter)) return marks.replace(ANY_STRESS, '')
  const others = marks.replace(ANY_STRESS_OR_ACUTE, '')
  return 'Ее'.includes(letter) ? others.replaceAll('\u0308', '') : others
}

const APOSTROPHES = /['`]+/g
/** A space is one already, and is not looked at again. */
const SPACES = /\s{2,}|[^\S ]/gu
const DASHES = /-{2,}/g

function withoutApostrophes(letters: string): string {
  if (PLAIN.test(letters)) return letters
  const joined = letters.replace(APOSTROPHES, '').normalize('NFC')
  return joined.replace(SPACES, ' ').replace(DASHES, '-').trim()
}

/**
 * What two texts have in common when they differ only in case, optional marks, apostrophes, dashes, quotes, white space, or in Latin
 * letters for which a plain keyboard types others. Keys that are stored depend on it: a change needs a migration.
 */
export function foldText(text: string): string {
  return PLAIN.test(text) ? text.toLowerCase() : withoutApostrophes(foldLetters(text))
}

/** Letters and digits of any script, with their marks. */
const WORD = /[\p{L}\p{M}\p{N}]+/gu
const WORD_WITH_APOSTROPHES = /[\p{L}\p{M}\p{N}'`]+/gu
/** In one word; no language has more. */
const MOST_ENDINGS = 8

/** A text as it is compared, and what its words also have as their beginning: `etranger` finds L'Étranger. */
export interface Folded {
  key: string
  endings: string[]
}

export function fold(text: string): Folded {
  if (PLAIN.test(text)) return { key: text.toLowerCase(), endings: [] }
  const letters = foldLetters(text)
  return { key: withoutApostrophes(letters), endings: endingsOf(letters) }
}

/** What comes after each apostrophe in a word, without the others. */
function endingsOf(letters: string): string[] {
  if (!/['`]/.test(letters)) return []
  const words = letters.match(WORD_WITH_APOSTROPHES) ?? []
  return words.flatMap((word) => {
    const parts = word.split(APOSTROPHES).filter((part) => part !== '')
    return parts
      .slice(1, 1 + MOST_ENDINGS)
      .flatMap((_, index) => wordsOfFolded(withoutApostrophes(parts.slice(index + 1).join(''))))
  })
}

/** The words that are looked for in a text, folded, each once. */
export function wordsOf(...texts: string[]): string[] {
  return wordsOfFolded(...texts.map(foldText))
}

/** The same of texts that are folded already; a sigma that ends one word may go on in another. */
export function wordsOfFolded(...texts: string[]): string[] {
  return [...new Set(texts.join(' ').replaceAll('ς', 'σ').match(WORD))]
}

/** The words by which a text is found, each by its beginning. */
export function indexedWordsOf(...texts: string[]): string[] {
  const folded = texts.map(fold)
  const endings = folded.flatMap((one) => one.endings)
  return [...new Set([...wordsOfFolded(...folded.map(({ key }) => key)), ...endings])]
}
