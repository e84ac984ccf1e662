/** Questions of all kinds, most of which somebody answers to. */
import { below, pick, type Random } from '../../bench/random.ts'
import { type AuthorRecord, SCHEMES } from '../../db/authors/table.ts'
import { wordsOf } from '../../db/text.ts'
import { inventCountry } from './authors.ts'
import { type Question, SORTS } from './question.ts'
import { cut, LONGEST, oneWord, respell, type Vocabulary } from './words.ts'

const BROAD = ['the', 'THÉ', 'th', 't', 'of', 'o']
const FREQUENT = [...BROAD, 'dawn', 'dusk', 'Chile', 'chi', 'théo', 'rarity']
const BETWEEN = [' ', ' ', ' ', '  ', '+', '-', '.', '"', '*', ' AND ', '\uE000', '\n', '/']
const YEARS = [-3000, -1, 0, 1, 1700, 1750, 1799, 1850, 1850, 1900, 1950, 1990, 1999, 2100]
const MOST_WORDS = 10
const UNKNOWN_USER = '01900000-0000-7000-8000-000000000000'

export interface World {
  vocabulary: Vocabulary
  authors: readonly AuthorRecord[]
  /** What some authors were before they were changed, and what they are now. */
  changed: readonly AuthorRecord[]
  /** The first one has nearly all authors. */
  userIds: readonly string[]
}

/** A question with its order. */
export function invent(random: Random, world: World): Question {
  return {
    ...pick(random, KINDS)(random, world),
    ...(random() < 0.95 && { sort: pick(random, SORTS) }),
    ...(random() < 0.6 && { count: random() < 0.9 })
  }
}

const KINDS = [
  inventBroad,
  inventFormer,
  inventNarrow,
  inventNarrow,
  inventNarrow,
  inventNarrow,
  inventNarrow
]

/** A question of which each part holds for nearly all. */
function inventBroad(random: Random, { userIds }: World): Question {
  return {
    q: Array.from({ length: 1 + below(random, 3) }, () => pick(random, BROAD)).join(' '),
    ...(random() < 0.5 && { booker_prize: false }),
    ...(random() < 0.3 && { 'birth_year.gte': pick(random, [-3000, 0, 1700]) }),
    ...(random() < 0.3 && { 'birth_year.lte': pick(random, [1999, 2100]) }),
    ...(random() < 0.3 && { owner: userIds[0] })
  }
}

/** The words of an author that was changed: it may have lost them. */
function inventFormer(random: Random, { authors, changed }: World): Question {
  const { name, book } = pick(random, changed.length > 0 ? changed : authors)
  const words = wordsOf(random() < 0.5 ? name : (book ?? name)).slice(0, MOST_WORDS)
  const q = cut(words.join(' '), LONGEST.q)
  return q === '' ? {} : { q }
}

/** A question about one author, more often one that was changed than another, or about nobody. */
function inventNarrow(random: Random, world: World): Question {
  const about = pick(random, random() < 0.4 && world.changed.length > 0 ? world.changed : world.authors)
  const isAbout = random() < 0.75
  return {
    ...(random() < 0.8 && textFor(random, world, isAbout ? about : undefined)),
    ...(random() < 0.35 && { country: countryFor(random, world, isAbout ? about : undefined) }),
    ...(random() < 0.3 && { booker_prize: isAbout ? about.booker_prize : random() < 0.5 }),
    ...(random() < 0.3 && birthFor(random, isAbout ? about : undefined)),
    ...(random() < 0.25 && { owner: ownerFor(random, world, isAbout ? about : undefined) }),
    ...(random() < 0.2 && identifierOf(random, about))
  }
}

function textFor(random: Random, world: World, about: AuthorRecord | undefined): Pick<Question, 'q'> {
  const count = random() < 0.05 ? MOST_WORDS : 1 + below(random, 3)
  const parts = Array.from({ length: count }, () => {
    const word = random() < 0.35 ? pick(random, FREQUENT) : wordFor(random, world, about)
    return spoil(random, respell(random, beginning(random, word)))
  })
  const q = cut(
    parts.reduce((text, part) => text + pick(random, BETWEEN) + part),
    LONGEST.q
  )
  // What has no letter or digit that counts, or too many words, is refused.
  const words = wordsOf(q)
  return words.some((word) => /[\p{L}\p{N}]/u.test(word)) && words.length <= MOST_WORDS ? { q } : {}
}

function wordFor(random: Random, { vocabulary }: World, about: AuthorRecord | undefined): string {
  if (about === undefined) return oneWord(random, vocabulary)
  const { name, sort_name, book, country } = about
  const text = pick(
    random,
    [name, sort_name, book, book, country].filter((one) => one !== null)
  )
  return pick(random, random() < 0.5 ? text.split(/\s+/u) : wordsOf(text)) ?? ''
}

/** Two times of three only the first letters. */
function beginning(random: Random, word: string): string {
  return random() < 0.35 ? word : cut(word, 1 + below(random, 3))
}

/** Now and then something is added that is in no word, or makes it another one. */
function spoil(random: Random, word: string): string {
  return random() < 0.9
    ? word
    : word + pick(random, ['\u0301', 'x', '\u0E31', '\uE000', '%', '_', '*', '😀', 'ς', '9'])
}

function countryFor(random: Random, { vocabulary }: World, about: AuthorRecord | undefined): string {
  const country = about?.country ?? inventCountry(random, vocabulary)
  const how = random()
  if (how < 0.5) return country
  if (how < 0.8) return cut(respell(random, country), LONGEST.country)
  if (how < 0.85) return cut(` ${country.replaceAll(' ', ' \t ')} `, LONGEST.country)
  return cut(country + pick(random, ['\u0000', '.', ' x', '\uE000', '*', '"', '\u0301']), LONGEST.country)
}

function birthFor(random: Random, about: AuthorRecord | undefined): Question {
  const year = about?.birth_year ?? pick(random, YEARS)
  const from = random() < 0.5 ? year : Math.max(-3000, year - below(random, 300))
  const to = random() < 0.3 ? year : Math.min(2100, year + below(random, 300))
  if (random() < 0.3) return { 'birth_year.gte': from }
  return random() < 0.4 ? { 'birth_year.lte': to } : { 'birth_year.gte': from, 'birth_year.lte': to }
}

function ownerFor(random: Random, { userIds }: World, about: AuthorRecord | undefined): string {
  if (random() < 0.3) return 'me'
  if (random() < 0.1) return UNKNOWN_USER
  return about?.owner_id ?? pick(random, userIds)
}

function identifierOf(random: Random, { identifiers }: AuthorRecord): Question {
  const scheme = pick(random, SCHEMES)
  const identifier = identifiers[scheme]
  return identifier === null ? {} : { [`identifier.${scheme}`]: identifier }
}
