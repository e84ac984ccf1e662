/** Words of many scripts, with all that folding and an index may stumble over. */
import { below, pick, pickZipf, type Random } from '../../bench/random.ts'

/** What the words of a script are made of: letters, some with their marks. */
const LETTERS = {
  latin: [...'abcdeghilmnoprstuw'],
  marked: ['a', 'é', 'e\u0301', 'ñ', 'n\u0303', 'Ü', 'ø', 'å', 'ž', 'ß', 'ı', 'İ', 'ﬁ', 'ǅ', 'o\u0302\u0301'],
  greek: [...'αβγδικλνοπρσςτυωάήίΐἀᾳ', 'Σ', 'α\u0345', 'ι\u0308\u0301'],
  cyrillic: [...'авдийклностуеёяЖЩ', 'и\u0306', 'і'],
  arabic: [...'ابتجدرسعكلمنهويأئ', 'ب\u064E', 'ل\u0651', '\u0640', 'ﻻ'],
  hebrew: [...'אבגדהוילמנרשםןץ', 'ש\u05C1', 'ב\u05BC', 'שׁ'],
  devanagari: ['क', 'का', 'कि', 'ग', 'न', 'न्', 'म', 'मे', 'र', 'ल', 'स', 'ह', 'फ\u093C', 'फ़', 'ं'],
  thai: ['ก', 'กา', 'กำ', 'เ', 'ท', 'ที่', 'น', 'น้ำ', 'ม', 'ย', 'ไ', 'ร'],
  han: [...'山川大中月日花木水海村子', '葛\u{E0100}', '𠮷', '𱍊', '\uF9D0'],
  kana: [...'あいかがきさツッパべラーｶﾞﾊﾟ', 'か\u3099', '㌀'],
  hangul: [...'가각간나다라마바한강책', '\u1112\u1161\u11AB', '\u1100\u1161', 'ㄱ'],
  digits: [...'0123456789', '٣', '४', '²', '½', '①', 'Ⅳ', '𝟙'],
  rare: ['𐐀', '𐐨', '𞤀', '𞤢', '𝔉', '𒀀', 'ꭰ', 'Ꭰ', '𖹀', '\u{1F130}', 'ﷺ']
} as const
const SCRIPTS = Object.keys(LETTERS) as (keyof typeof LETTERS)[]

/** Words, and what is none, that are special in some way of their own. */
const ODD_WORDS = [
  // What a full-text index may take for its own language, or a pattern for a wildcard.
  ...['AND', 'OR', 'NOT', 'NEAR', 'near', 'name', 'book', 'words', 'rank', 'country', 'booker', 'null'],
  ...[
    'foo*',
    '^bar',
    '"quoted"',
    "O'Brien",
    '-minus',
    '+plus',
    'x:y',
    '{a b}',
    'NEAR(a b)',
    '%',
    'a_b',
    '50%'
  ],
  // Marks alone, and pictures that bring some along.
  ...['\u0301', '\u0300\u0301', '\u0903', '\u20E3', '\u0345', '\uFE0F', '\u0E31', '\u064E'],
  ...['🏝️', '1️⃣', '👩🏽‍🚀', '🇨🇮', '©️', 'x🏝️y'],
  // What nobody sees, and what means something only to some.
  ...['\uE000', '\uF8FF', '\u{F0000}', '\uE000booker', 'a\uE001b', '\uE001chile', 'soft\u00ADhyphen'],
  ...[
    'zero\u200Bwidth',
    'no\u200Dbreak',
    'a\uFFFFb',
    'a\u{10FFFF}b',
    'a\u0001b',
    '\uFEFFbom',
    'c\u0301\u0327'
  ],
  // Whose case is not one letter for one letter.
  ...[
    'STRASSE',
    'straße',
    'ẞ',
    'ﬃ',
    'ŉ',
    'ſet',
    '\u212Aelvin',
    '\u212Bngström',
    'ΟΔΥΣΣΕΥΣ',
    'οδυσσευς',
    'ΑΣ',
    'ας'
  ],
  ...['½', '㍿', 'ﷺ', 'ﷻ', 'Ⅻ', '𝕬𝖇𝖈', 'ꟲ', 'ª', 'ﾞ', 'ﬓ']
]

const SEPARATORS = [
  ' ',
  ' ',
  ' ',
  ' ',
  '-',
  '’',
  "'",
  '. ',
  ', ',
  '  ',
  '\u00a0',
  '\u3000',
  '_',
  '/',
  '・',
  '\uE001',
  ''
]

/** The longest texts that are taken; a word may fill one. */
export const LONGEST = { name: 200, book: 300, country: 100, q: 200 }
const WORDS_A_SCRIPT = 150

/** All words there are, script by script; those that come first are the most frequent. */
export type Vocabulary = readonly (readonly string[])[]

export function inventVocabulary(random: Random): Vocabulary {
  return SCRIPTS.map((script) =>
    Array.from({ length: WORDS_A_SCRIPT }, () => inventWord(random, LETTERS[script]))
  )
}

function inventWord(random: Random, letters: readonly string[]): string {
  const length = 1 + below(random, 3) + below(random, 4)
  return Array.from({ length }, () => pick(random, letters)).join('')
}

/** A word as somebody may write it. */
export function respell(random: Random, word: string): string {
  const how = random()
  if (how < 0.6) return word
  if (how < 0.7) return word.toUpperCase()
  if (how < 0.8) return word.toLowerCase()
  if (how < 0.9) return word.normalize('NFD')
  return word.normalize(how < 0.95 ? 'NFC' : 'NFKC')
}

/** One word, mostly of some script. */
export function oneWord(random: Random, vocabulary: Vocabulary): string {
  return random() < 0.06
    ? pick(random, ODD_WORDS)
    : respell(random, pickZipf(random, pick(random, vocabulary)))
}

/** A few words, mostly of one script. */
export function someWords(random: Random, vocabulary: Vocabulary, count: number): string[] {
  const script = pick(random, vocabulary)
  return Array.from({ length: count }, () =>
    random() < 0.1 ? oneWord(random, vocabulary) : respell(random, pickZipf(random, script))
  )
}

/** Words with something between each two. */
export function joinWords(random: Random, words: readonly string[]): string {
  return words.reduce((text, word) => text + pick(random, SEPARATORS) + word)
}

/** One word that is as long as it may be. */
export function longestWord(random: Random, vocabulary: Vocabulary, limit: number): string {
  const part = oneWord(random, vocabulary)
  return cut(part.repeat(Math.ceil(limit / [...part].length)), limit)
}

/** The first characters of a text. */
export function cut(text: string, characters: number): string {
  return [...text].slice(0, characters).join('')
}
