/** The orders in which authors are listed, and the places in them. */
import type { ExpressionBuilder, SelectQueryBuilder } from 'kysely'
import { compiledOnce } from '../compiled.ts'
import { findDeletedNumber } from '../last-versions.ts'
import type { ReadDb, Tables } from '../tables.ts'

export interface AuthorOrder {
  by: 'name' | 'created_at' | 'updated_at' | 'birth_year'
  descending: boolean
}

/** Where an author stands in an order: what is compared, then its number where that is equal. */
export type Place = readonly [string | number, number] | readonly [number]

/** The same for those outside, who know authors by their ids. */
export type Position = readonly [string | number, string] | readonly [string]

export type Key = 'number' | 'name_order' | 'updated_at' | 'birth_key'
export type Authors = ExpressionBuilder<Tables, 'authors'>
export type Query<O> = SelectQueryBuilder<Tables, 'authors', O>

export const KEYS: Record<AuthorOrder['by'], Key> = {
  // Numbers are in the order of creation.
  created_at: 'number',
  name: 'name_order',
  updated_at: 'updated_at',
  birth_year: 'birth_key'
}

export type KeyRow = Partial<Record<Key, string | number>> & { number: number }

/** Where a row stands in an order. */
export function placeOf(row: KeyRow, { by }: AuthorOrder): Place {
  const key = KEYS[by]
  return key === 'number' ? [row.number] : [row[key] as string | number, row.number]
}

/** The same, for those outside. */
export function positionOf(row: KeyRow & { id: string }, order: AuthorOrder): Position {
  return [...placeOf(row, order).slice(0, -1), row.id] as unknown as Position
}

const selectNumber = compiledOnce<{ id: string }>()((db, { id }) =>
  db.selectFrom('authors').select('number').where('id', '=', id)
)

/** The place of a position, also of an author that was deleted since; undefined when there was never such an author. */
export async function findPlace(db: ReadDb, position: Position): Promise<Place | undefined> {
  const id = position.at(-1) as string
  const [row] = (await selectNumber(db, { id })).rows
  const number = row?.number ?? (await findDeletedNumber(db, 'deleted_id', id))
  return number === undefined ? undefined : ([...position.slice(0, -1), number] as unknown as Place)
}

/** The query in this order. */
export function sorted<O>(query: Query<O>, { by, descending }: AuthorOrder): Query<O> {
  const direction = descending ? 'desc' : 'asc'
  const key = KEYS[by]
  const byKey = key === 'number' ? query : query.orderBy(`authors.${key}`, direction)
  return byKey.orderBy('authors.number', direction)
}

/** The query for what comes after this place in the order. */
export function after<O>(
  query: Query<O>,
  { by, descending }: AuthorOrder,
  place: Place | undefined
): Query<O> {
  if (place === undefined) return query
  const operator = descending ? '<' : '>'
  const key = KEYS[by]
  const [value, number] = place
  if (key === 'number') return query.where('authors.number', operator, value as number)
  return query.where((eb) =>
    eb(eb.refTuple(`authors.${key}`, 'authors.number'), operator, eb.tuple(value, number) as never)
  )
}

/** Below 0 when the one place comes before the other in an ascending order. */
export function comparePlaces(one: Place, other: Place): number {
  const byKey = one.length === 2 ? compareKeys(one[0], other[0]) : 0
  return byKey === 0 ? (one.at(-1) as number) - (other.at(-1) as number) : byKey
}

/** Engines compare texts by their bytes, JavaScript by UTF-16 code units. */
function compareKeys(one: string | number, other: string | number): number {
  if (typeof one === 'number' || typeof other === 'number') return Number(one) - Number(other)
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}
