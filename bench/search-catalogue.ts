/** A catalogue of which it is known how many authors have which words. */
import type { AuthorRecord } from '../db/authors/table.ts'
import { toNdjson } from '../plugins/transfers/ndjson.ts'
import { type Content, inventAuthors } from './generate-authors.ts'
import { mulberry32 } from './random.ts'

/** No other word of the catalogue begins like one of these. */
export const WORD = {
  /** Of all authors. */
  all: 'omnia',
  tenth: 'tenth',
  /** Each of half of the authors, and nobody has both. */
  halves: ['even', 'odd'],
  /** Of as many in a large catalogue as in a small one. */
  rare: 'unique'
} as const
/** That of an eighth of the authors. */
export const COUNTRY = 'Chile'
const OTHER_COUNTRY = 'Argentina'
const RARE_AUTHORS = 500
const SEED = 20_261_128
const LINES_AT_ONCE = 500

/** How many authors there are of each kind. */
export interface Tally {
  all: number
  tenth: number
  rare: number
  /** With the word that a tenth has, of the country that an eighth has. */
  tenthOfCountry: number
}

/** The authors as lines, some hundred at a time; at the end the tally is right. */
export function* searchCatalogue(count: number, tally: Tally): Generator<string> {
  const random = mulberry32(SEED)
  const step = Math.ceil(count / RARE_AUTHORS)
  let lines: string[] = []
  for (const author of inventAuthors(count)) {
    const isTenth = random() < 1 / 10
    const isOfCountry = random() < 1 / 8
    const isRare = tally.all % step === 0
    const half = WORD.halves[random() < 0.5 ? 0 : 1]
    const words = [WORD.all, ...(isTenth ? [WORD.tenth] : []), half, ...(isRare ? [WORD.rare] : [])]
    tally.all += 1
    if (isTenth) tally.tenth += 1
    if (isRare) tally.rare += 1
    if (isTenth && isOfCountry) tally.tenthOfCountry += 1
    lines.push(lineOf(author, words, isOfCountry))
    if (lines.length < LINES_AT_ONCE) continue
    yield lines.join('')
    lines = []
  }
  yield lines.join('')
}

/** The words stand before the book, whatever that begins with. */
function lineOf(author: Content, words: string[], isOfCountry: boolean): string {
  const elsewhere = author.country === COUNTRY ? OTHER_COUNTRY : author.country
  return toNdjson({
    ...author,
    book: `${words.join(' ')} ${author.book}`,
    country: isOfCountry ? COUNTRY : elsewhere
  } as AuthorRecord)
}

export function emptyTally(): Tally {
  return { all: 0, tenth: 0, rare: 0, tenthOfCountry: 0 }
}
