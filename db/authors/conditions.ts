/** What authors are looked for by, as conditions of a query. */
import { type Expression, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { ReadDb, Tables } from '../database.ts'
import { foldText, wordsOf } from '../text.ts'
import type { Authors, Query } from './order.ts'
import { SCHEMES, type Scheme, UNKNOWN_YEAR } from './table.ts'
import { idsByWord } from './words.ts'

/** What authors are looked for by; all of it must hold. */
export interface AuthorFilter {
  /** Each word must be the beginning of a word in name, book or country. */
  text?: string
  country?: string
  bookerPrize?: boolean
  bornFrom?: number
  bornTo?: number
  ownerId?: string
  identifiers?: Partial<Record<Scheme, string>>
}

export interface Condition {
  /** Whether a row fulfils it, written so that no engine takes an index for it. */
  holds(eb: Authors): Expression<SqlBool>
  /** The ids of all that fulfil it, through an index. */
  ids?(db: ReadDb): SelectQueryBuilder<Tables, never, { id: string }>
  /** Restricts a query to those that fulfil it, through an index in the order of ids. */
  inOrderOfIds?<O>(query: Query<O>): Query<O>
}

/** The conditions that together make the filter. */
export function conditionsOf(filter: AuthorFilter): Condition[] {
  const { text = '', country, bookerPrize, bornFrom, bornTo, ownerId, identifiers = {} } = filter
  return [
    ...SCHEMES.flatMap((scheme) => {
      const identifier = identifiers[scheme]
      return identifier === undefined ? [] : [equal(scheme, identifier)]
    }),
    ...(ownerId === undefined ? [] : [equalInOrder('owner_id', ownerId)]),
    ...(country === undefined ? [] : [equalInOrder('country_key', foldText(country))]),
    ...(bornFrom === undefined && bornTo === undefined ? [] : [born(bornFrom, bornTo)]),
    ...(bookerPrize === undefined ? [] : [hasBookerPrize(bookerPrize)]),
    ...wordsOf(text).map(hasWord)
  ]
}

function equal(column: Scheme | 'owner_id' | 'country_key', value: string): Condition {
  return {
    holds: (eb) => sql<SqlBool>`${eb.ref(column)} || '' = ${value}`,
    ids: (db) => db.selectFrom('authors').select('id').where(column, '=', value)
  }
}

function equalInOrder(column: 'owner_id' | 'country_key', value: string): Condition {
  return { ...equal(column, value), inOrderOfIds: (query) => query.where(column, '=', value) }
}

function born(from = -UNKNOWN_YEAR, to = UNKNOWN_YEAR - 1): Condition {
  return {
    holds: (eb) => sql<SqlBool>`${eb.ref('birth_key')} + 0 between ${from} and ${to}`,
    ids: (db) =>
      db.selectFrom('authors').select('id').where('birth_key', '>=', from).where('birth_key', '<=', to)
  }
}

function hasBookerPrize(has: boolean): Condition {
  const holds = (eb: Authors) => sql<SqlBool>`${eb.ref('booker_prize')} + 0 = ${has ? 1 : 0}`
  if (!has) return { holds }
  // As a literal, because SQLite takes the partial index only when it sees the value.
  const withPrize = <O>(query: Query<O>) => query.where('booker_prize', '=', sql.lit(1))
  return { holds, ids: (db) => withPrize(db.selectFrom('authors').select('id')), inOrderOfIds: withPrize }
}

function hasWord(prefix: string): Condition {
  return {
    // A word has neither % nor _.
    holds: (eb) => eb('words', 'like', `% ${prefix}%`),
    ids: (db) => idsByWord(db, prefix)
  }
}
