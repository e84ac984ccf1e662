/** The orders in which authors are listed, and the parts of them. */
import type { ExpressionBuilder, SelectQueryBuilder } from 'kysely'
import type { Tables } from '../database.ts'

export interface AuthorOrder {
  by: 'name' | 'created_at' | 'updated_at' | 'birth_year'
  descending: boolean
}

/** Where an author stands in an order: what is compared, then the id where that is equal. */
export type Position = readonly [string | number, string] | readonly [string]

export type Key = 'id' | 'name_key' | 'updated_at' | 'birth_key'
export type Authors = ExpressionBuilder<Tables, 'authors'>
export type Query<O> = SelectQueryBuilder<Tables, 'authors', O>

/** A part of an order: all after `from` up to `to`, or to the end. */
export interface Range {
  from: Position | undefined
  to: Position | undefined
}

export const KEYS: Record<AuthorOrder['by'], Key> = {
  // Ids are in the order of creation.
  created_at: 'id',
  name: 'name_key',
  updated_at: 'updated_at',
  birth_year: 'birth_key'
}

export type KeyRow = Partial<Record<Key, string | number>> & { id: string }

/** Where a row stands in an order. */
export function positionOf(row: KeyRow, { by }: AuthorOrder): Position {
  const key = KEYS[by]
  return key === 'id' ? [row.id] : [row[key] as string | number, row.id]
}

/** The query in this order. */
export function sorted<O>(query: Query<O>, { by, descending }: AuthorOrder): Query<O> {
  const direction = descending ? 'desc' : 'asc'
  const key = KEYS[by]
  return key === 'id'
    ? query.orderBy('id', direction)
    : query.orderBy(key, direction).orderBy('id', direction)
}

/** The query for this part of the order. */
export function within<O>(query: Query<O>, { by, descending }: AuthorOrder, { from, to }: Range): Query<O> {
  const key = KEYS[by]
  const bounded = (bound: Query<O>, operator: '<' | '>' | '<=' | '>=', position: Position) =>
    bound.where((eb) => compare(eb, key, operator, position))
  const started = from === undefined ? query : bounded(query, descending ? '<' : '>', from)
  return to === undefined ? started : bounded(started, descending ? '>=' : '<=', to)
}

function compare(eb: Authors, key: Key, operator: '<' | '>' | '<=' | '>=', position: Position) {
  if (key === 'id') return eb('id', operator, position[0] as string)
  const [value, id] = position as readonly [string | number, string]
  return eb(eb.refTuple(key, 'id'), operator, eb.tuple(value, id) as never)
}
