import { foldText, indexedWordsOf, wordsOf } from '../text.ts'
import type { AuthorFilter } from './conditions.ts'
import { type AuthorOrder, comparePlaces, type Place, placeOf } from './order.ts'
import { type AuthorRecord, SCHEMES, UNKNOWN_YEAR } from './table.ts'

/** The part of an order that a page shows, and what is sought: by this it is known which changes concern the page. */
export interface Span {
  filter: AuthorFilter
  order: AuthorOrder
  /** The page begins after this place, or at the start. */
  after: Place | undefined
  /** The place of the first author beyond the page; undefined when there is none. */
  end: Place | undefined
  /** The authors of the page and the first beyond it; left out in the order of creation, where each keeps its place for ever. */
  numbers: ReadonlySet<number> | undefined
}

/** An author that has changed: its number, and as JSON what it is now; null once it is deleted. */
interface Changed {
  number: number
  record: string | null
}

/** Whether the page that shows this span may be another after the change. */
export function concerns(span: Span, { number, record }: Changed): boolean {
  if (span.numbers?.has(number)) return true
  if (span.order.by === 'created_at' && !isNumberWithin(span, number)) return false
  if (span.numbers === undefined) return true
  if (record === null) return false
  const author: AuthorRecord = JSON.parse(record)
  return isWithin(span, placeOf(keyRowOf(author, number), span.order)) && fits(span.filter, author)
}

function keyRowOf(author: AuthorRecord, number: number) {
  const { birth_year, updated_at, name, sort_name } = author
  const name_order = foldText(sort_name ?? name)
  return { number, updated_at, birth_key: birth_year ?? UNKNOWN_YEAR, name_order }
}

/** By far the most frequent question, so that it is answered without a place. */
function isNumberWithin({ order, after, end }: Span, number: number): boolean {
  const from = (order.descending ? end : after)?.[0] as number | undefined
  const to = (order.descending ? after : end)?.[0] as number | undefined
  return (from === undefined || number >= from) && (to === undefined || number <= to)
}

function isWithin({ order, after, end }: Span, place: Place): boolean {
  const [from, to] = order.descending ? [end, after] : [after, end]
  return (
    (from === undefined || comparePlaces(from, place) <= 0) &&
    (to === undefined || comparePlaces(place, to) <= 0)
  )
}

/** Whether the filter finds the author. */
export function fits(filter: AuthorFilter, author: AuthorRecord): boolean {
  const { text = '', country, bookerPrize, bornFrom, bornTo, ownerId, identifiers = {} } = filter
  const born = author.birth_year ?? UNKNOWN_YEAR
  const isBornIn =
    (bornFrom === undefined && bornTo === undefined) ||
    (born >= (bornFrom ?? -UNKNOWN_YEAR) && born <= (bornTo ?? UNKNOWN_YEAR - 1))
  return (
    isBornIn &&
    (bookerPrize === undefined || author.booker_prize === bookerPrize) &&
    (ownerId === undefined || author.owner_id === ownerId) &&
    SCHEMES.every((one) => identifiers[one] === undefined || author.identifiers[one] === identifiers[one]) &&
    (country === undefined || isOf(author.country, country)) &&
    hasWords(author, wordsOf(text))
  )
}

function isOf(country: string | null, sought: string): boolean {
  return country !== null && foldText(country) === foldText(sought)
}

function hasWords({ name, book, country, sort_name }: AuthorRecord, prefixes: string[]): boolean {
  if (prefixes.length === 0) return true
  // In one text: a walk asks this of thousands of authors.
  const words = indexedWordsOf(`${name}|${book ?? ''}|${country ?? ''}|${sort_name ?? ''}`)
  return prefixes.every((prefix) => words.some((word) => word.startsWith(prefix)))
}
