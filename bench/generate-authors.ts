/**
 * Authors that nobody wrote, always the same ones, with all that real texts have and a file format may stumble over.
 * `node bench/generate-authors.ts COUNT [csv]` prints them as NDJSON, or as CSV.
 */
import { once } from 'node:events'
import type { AuthorRecord } from '../db/authors/table.ts'
import { CSV_HEADER, toCsv } from '../plugins/transfers/csv.ts'
import { toNdjson } from '../plugins/transfers/ndjson.ts'
import { below, mulberry32, pick, pickZipf, type Random } from './random.ts'

/** What a user may write of an author: all that the two formats hold. */
type Written = Omit<AuthorRecord, 'id' | 'slug' | 'owner_id' | 'version' | 'created_at' | 'updated_at'>
export type Content = Written & { book: string; country: string }

/** The beginnings of words that so many authors have. */
export const WORDS = {
  /** Exactly five. */
  rare: 'quixotry',
  /** Each more than a fifth. */
  common: ['the', 'of'],
  /** Each common, and hardly ever both, for they are in different countries. */
  apart: ['kingdom', 'india'],
  /** About one in 200. */
  mid: 'mid',
  absent: 'xyzzy'
}
export const RARE_AUTHORS = 5

const SEED = 20_261_124
const LINES_AT_ONCE = 500

const ALPHABETS = {
  latin: {
    onsets: [
      'b',
      'br',
      'c',
      'ch',
      'd',
      'f',
      'g',
      'gr',
      'h',
      'j',
      'k',
      'l',
      'm',
      'n',
      'p',
      'r',
      's',
      'v',
      'w'
    ],
    vowels: ['a', 'e', 'i', 'o', 'u', 'ia', 'ou'],
    codas: ['', '', 'n', 'r', 'l', 's', 'nd', 'ck']
  },
  arabic: { onsets: [...'بتجحدرسشصعفقكلمنه'], vowels: [...'اوي'], codas: ['', 'ن', 'م'] },
  hebrew: { onsets: [...'בגדהזחטכלמנסעפצקרש'], vowels: [...'אוי'], codas: ['', 'ן', 'ת'] },
  cyrillic: { onsets: [...'бвгдзклмнпрст'], vowels: [...'аеиоуюя'], codas: ['', 'й', 'н', 'в'] },
  greek: { onsets: [...'βγδζθκλμνπρτφχ'], vowels: ['α', 'ε', 'ι', 'ο', 'ου'], codas: ['', 'ν', 'ς'] },
  devanagari: { onsets: [...'कगचजतदनपबमरलवसह'], vowels: ['ा', 'ि', 'े', 'ो'], codas: ['', 'न', 'र'] },
  han: { onsets: [...'山川大小中上月日花雨'], vowels: [...'田村木本水火金石林海'], codas: ['', '子', '人'] }
} as const
type Alphabet = keyof typeof ALPHABETS

/** So many different words; those with few syllables come first, as in a language. */
function inventWords(random: Random, alphabet: Alphabet, count: number): string[] {
  const { onsets, vowels, codas } = ALPHABETS[alphabet]
  const words = new Set<string>()
  while (words.size < count) {
    const syllables = 1 + Math.min(2, Math.floor(words.size / (count / 40)))
    const parts = Array.from({ length: syllables }, () => pick(random, onsets) + pick(random, vowels))
    words.add(parts.join('') + pick(random, codas))
  }
  return [...words]
}

interface Lexicon {
  first: string[]
  last: string[]
  title: string[]
  note: string[]
}

function inventLexicon(random: Random): Lexicon {
  const latin = inventWords(random, 'latin', 12_000).filter((word) => !word.startsWith(WORDS.mid))
  const others = (Object.keys(ALPHABETS) as Alphabet[]).slice(1)
  const foreign = others.flatMap((alphabet) => inventWords(random, alphabet, 300))
  const common = (words: string[]) =>
    words.map((word, index) => (index % 9 === 4 ? accented(random, word) : word))
  const mixed = (words: string[]) =>
    common(words).flatMap((word, index) => (index % 9 === 8 ? [word, pick(random, foreign)] : [word]))
  return {
    first: mixed(latin.slice(0, 1500)).map(capital),
    last: mixed(latin.slice(1500, 7500)).map(capital),
    title: mixed(latin.slice(4000)).map(capital),
    note: latin
  }
}

/** Composed or as a letter with a combining mark, which are not the same bytes. */
function accented(random: Random, word: string): string {
  const text = word.replace(/[aeou]/, (vowel) => vowel + pick(random, ['\u0301', '\u0308', '\u0302']))
  return random() < 0.5 ? text.normalize('NFC') : text
}

function capital(word: string): string {
  const [first = '', ...rest] = word
  return first.toUpperCase() + rest.join('')
}

const COUNTRIES = [
  'United Kingdom',
  'United States',
  'India',
  'Ireland',
  'Canada',
  'Australia',
  'France',
  'Germany',
  'Nigeria',
  'South Africa',
  'New Zealand',
  'Japan',
  'Italy',
  'Spain',
  'Russia',
  'China',
  'Brazil',
  'Argentina',
  'México',
  'Colombia',
  'Chile',
  'Perú',
  'Egypt',
  'Türkiye',
  'Iran',
  'Iraq',
  'Israel',
  'لبنان',
  'المغرب',
  'Kenya',
  'Ghana',
  'Senegal',
  "Côte d'Ivoire",
  'Korea, Republic of',
  'Congo, Democratic Republic of the',
  'Trinidad & Tobago',
  'Jamaica',
  'Guyana',
  'Sri Lanka',
  'Pakistan',
  'Bangladesh',
  'Malaysia',
  'Indonesia',
  'Việt Nam',
  'Philippines',
  'Poland',
  'Česko',
  'Hungary',
  'România',
  'Österreich',
  'Schweiz/Suisse/Svizzera',
  'Norge',
  'Sverige',
  'Danmark',
  'Suomi',
  'Ísland',
  'Ελλάδα',
  'Україна',
  '"Ruritania"',
  'Nowhere (fictional) 🏝️'
]

const DECORATIONS: readonly ((text: string) => string)[] = [
  (text) => `=${text}`,
  (text) => `+${text}`,
  (text) => `-${text}`,
  (text) => `@${text}`,
  (text) => `'${text}`,
  (text) => `''=${text}`,
  (text) => `＝${text}`,
  (text) => `"${text}"`,
  (text) => `${text}, or "${text}"`,
  (text) => `"" , ${text}`,
  (text) => text.replace(' ', ', '),
  (text) => `  ${text}`,
  (text) => `${text} `,
  (text) => `${text} 👩🏽‍🚀📚`,
  (text) => `\u202B${text}\u202C`,
  (text) => `\uFEFF${text}`
]
/** Of texts that may have several lines. */
const BREAKS: readonly ((text: string) => string)[] = [
  (text) => `\t${text}`,
  (text) => `\r${text}`,
  (text) => text.replace(' ', '\n'),
  (text) => text.replace(' ', '\r\n'),
  (text) => `${text}\r\n`,
  (text) => text.replace(' ', '\u2028')
]
const DECORATED = 0.03

function decorate(random: Random, text: string): string {
  return random() < DECORATED ? pick(random, DECORATIONS)(text) : text
}

function inventName(random: Random, { first, last }: Lexicon): string {
  const words = [pickZipf(random, first), pickZipf(random, last)]
  const shape = random()
  if (shape < 0.2) words.splice(1, 0, pickZipf(random, first))
  else if (shape < 0.35) words.splice(1, 0, `${pickZipf(random, first)[0]}.`)
  else if (shape < 0.4) words[1] += `-${pickZipf(random, last)}`
  return words.join(' ')
}

function inventBook(random: Random, { title, last }: Lexicon): string {
  const word = () => pickZipf(random, title)
  const shape = random()
  if (shape < 0.25) return `The ${word()} of ${word()}`
  if (shape < 0.4) return `The ${word()} ${word()}`
  if (shape < 0.55) return `${word()} of the ${word()}`
  if (shape < 0.7) return `${word()} and ${word()}`
  if (shape < 0.8) return `A ${word()}: ${word()} ${word()} ${word()}`
  if (shape < 0.9) return `${pickZipf(random, last)}'s ${word()}`
  if (shape < 0.9 + 0.005) return `Midnight in ${word()}`
  return `${word()} ${1 + below(random, 2000)}`
}

function inventLife(random: Random): Pick<Content, 'birth_year' | 'death_year'> {
  if (random() < 0.12)
    return { birth_year: null, death_year: random() < 0.1 ? 1800 + below(random, 220) : null }
  const birth_year = random() < 0.02 ? -1 - below(random, 900) : 2004 - Math.floor(500 * random() ** 2)
  const death = birth_year + 25 + below(random, 70)
  return { birth_year, death_year: death < 2026 ? death : null }
}

/** Each is different for each number up to 2^31, and they come in no order. */
function identifiersFor(random: Random, number: number): Content['identifiers'] {
  const scattered = Number((BigInt(number + 1) * 48_271n) % 2_147_483_647n)
  const some = (text: string) => (random() < 0.7 ? text : null)
  return {
    viaf: some(String(100_000_000 + scattered)),
    isni: some(withCheckCharacter(String(scattered).padStart(15, '0'))),
    wikidata: some(`Q${scattered}`),
    openlibrary: some(`OL${scattered}A`)
  }
}

/** ISO 7064 MOD 11-2, written a second time, because the service's own must not be its judge. */
function withCheckCharacter(digits: string): string {
  let power = 1
  let sum = 0
  for (const digit of [...digits].reverse()) {
    power = (power * 2) % 11
    sum += Number(digit) * power
  }
  return digits + '0123456789X'[(12 - (sum % 11)) % 11]
}

const NO_IDENTIFIERS = { viaf: null, isni: null, wikidata: null, openlibrary: null }
/** What is added may double it; 4,000 is the limit. */
const LONGEST_NOTE = 1900
const NOTE_ENDS = ['.', '.\n', '.\r\n', '!', ' — "sic".', "; it's said, etc.", ' שלום.', ' 🎉', '\t']

function inventNote(random: Random, { note }: Lexicon): string | null {
  if (random() >= 0.2) return null
  if (random() < 0.03) return ''
  const length = random() < 0.005 ? 500 : 3 + below(random, 25)
  const words = Array.from({ length }, () => pickZipf(random, note))
  const text = capital(words.join(' ')).slice(0, LONGEST_NOTE) + pick(random, NOTE_ENDS)
  return random() < 0.2 ? pick(random, [...DECORATIONS, ...BREAKS])(text) : text
}

/** The authors: the same ones for the same count, no two with the same name and book. */
export function* inventAuthors(count: number): Generator<Content> {
  const random = mulberry32(SEED)
  const lexicon = inventLexicon(random)
  const seen = new Set<number>()
  for (let number = 0; number < count; number++) {
    const { name, book } = inventUnique(random, lexicon, seen)
    const isRare = number % Math.floor(count / RARE_AUTHORS) === 0 && number < count - (count % RARE_AUTHORS)
    yield {
      name: decorate(random, name),
      sort_name: null,
      book: decorate(random, isRare ? `${book}: a ${capital(WORDS.rare)}` : book),
      country: pickZipf(random, COUNTRIES),
      booker_prize: number % 1000 === 500,
      ...inventLife(random),
      identifiers: random() < 0.1 ? identifiersFor(random, number) : NO_IDENTIFIERS,
      note: inventNote(random, lexicon)
    }
  }
}

/** What is added by `decorate` leaves the words as they are, so what differs before differs after. */
function inventUnique(random: Random, lexicon: Lexicon, seen: Set<number>): { name: string; book: string } {
  for (;;) {
    const name = inventName(random, lexicon)
    const book = inventBook(random, lexicon)
    const hash = hashOf(plain(`${name}\n${book}`))
    if (seen.has(hash)) continue
    seen.add(hash)
    return { name, book }
  }
}

function plain(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
}

/** 52 bits of two FNV-1a hashes: a million texts in far less memory; when two meet by chance, one author is another. */
function hashOf(text: string): number {
  let [high, low] = [0x811c9dc5, 0x01000193]
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code, 0x5bd1e995)
  }
  return (high >>> 0) * 2 ** 20 + (low >>> 12)
}

/** The authors as lines, just as the service exports them, some hundred at a time. */
export function* ndjsonOf(count: number): Generator<string> {
  yield* joined(inventAuthors(count), (author) => toNdjson(author as AuthorRecord))
}

/** The same authors as CSV, just as the service exports them. */
export function* csvOf(count: number): Generator<string> {
  yield CSV_HEADER
  yield* joined(inventAuthors(count), (author) => toCsv(author as AuthorRecord))
}

function* joined(authors: Iterable<Content>, toText: (author: Content) => string): Generator<string> {
  let texts: string[] = []
  for (const author of authors) {
    texts.push(toText(author))
    if (texts.length < LINES_AT_ONCE) continue
    yield texts.join('')
    texts = []
  }
  yield texts.join('')
}

async function main(count: number, format = 'ndjson'): Promise<void> {
  if (!Number.isInteger(count) || count < 0)
    throw new Error('usage: node bench/generate-authors.ts COUNT [csv]')
  for (const text of format === 'csv' ? csvOf(count) : ndjsonOf(count)) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain')
  }
}

if (import.meta.main) await main(Number(process.argv[2]), process.argv[3])
