import { foldText, wordsOf } from '../text.ts'
import type { AuthorFilter } from './conditions.ts'
import { type AuthorOrder, type Position, positionOf } from './order.ts'
import { type AuthorRecord, SCHEMES, toRow, UNKNOWN_YEAR } from './table.ts'

/** The part of an order that a page shows, and what is sought: by this it is known which changes concern the page. */
export interface Span {
  filter: AuthorFilter
  order: AuthorOrder
  /** The page begins after this position, or at the start. */
  after: Position | undefined
  /** The position of the first author beyond the page; undefined when there is none. */
  end: Position | undefined
  /** The authors of the page and the first beyond it; left out in the order of creation, where each keeps its place for ever. */
  ids: ReadonlySet<string> | undefined
}

/** An author that has changed: its id, and as JSON what it is now; null once it is deleted. */
interface Changed {
  author_id: string
  record: string | null
}

/** Whether the page that shows this span may be another after the change. */
export function concerns(span: Span, { author_id: id, record }: Changed): boolean {
  if (span.ids?.has(id)) return true
  if (span.order.by === 'created_at' && !isIdWithin(span, id)) return false
  if (span.ids === undefined) return true
  if (record === null) return false
  const row = toRow(JSON.parse(record) as AuthorRecord)
  return isWithin(span, positionOf(row, span.order)) && fits(span.filter, row)
}

type Row = ReturnType<typeof toRow>

/** By far the most frequent question, so that it is answered without a position. */
function isIdWithin({ order, after, end }: Span, id: string): boolean {
  const from = (order.descending ? end : after)?.[0]
  const to = (order.descending ? after : end)?.[0]
  return (from === undefined || id >= (from as string)) && (to === undefined || id <= (to as string))
}

function isWithin({ order, after, end }: Span, position: Position): boolean {
  const [from, to] = order.descending ? [end, after] : [after, end]
  return (
    (from === undefined || compare(from, position) <= 0) && (to === undefined || compare(position, to) <= 0)
  )
}

function compare(one: Position, other: Position): number {
  const byKey = one.length === 2 ? compareKeys(one[0], other[0] as string | number) : 0
  if (byKey !== 0) return byKey
  const [id, otherId] = [one.at(-1) as string, other.at(-1) as string]
  if (id === otherId) return 0
  return id < otherId ? -1 : 1
}

/** Engines compare texts by their bytes, JavaScript by UTF-16 code units. */
function compareKeys(one: string | number, other: string | number): number {
  if (typeof one === 'number' || typeof other === 'number') return Number(one) - Number(other)
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function fits(filter: AuthorFilter, row: Row): boolean {
  const { text = '', country, bookerPrize, bornFrom, bornTo, ownerId, identifiers = {} } = filter
  const isBornIn =
    (bornFrom === undefined && bornTo === undefined) ||
    (row.birth_key >= (bornFrom ?? -UNKNOWN_YEAR) && row.birth_key <= (bornTo ?? UNKNOWN_YEAR - 1))
  return (
    isBornIn &&
    (country === undefined || row.country_key === foldText(country)) &&
    (bookerPrize === undefined || row.booker_prize === Number(bookerPrize)) &&
    (ownerId === undefined || row.owner_id === ownerId) &&
    SCHEMES.every((scheme) => identifiers[scheme] === undefined || row[scheme] === identifiers[scheme]) &&
    wordsOf(text).every((word) => row.words.includes(` ${word}`))
  )
}
