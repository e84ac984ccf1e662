/** What authors are looked for by, as conditions of a query. */
import { type Expression, type SqlBool, sql } from 'kysely'
import { sqlOf } from '../engine.ts'
import type { ReadDb } from '../tables.ts'
import { wordsOf } from '../text.ts'
import { numberOfUser } from '../user-numbers.ts'
import type { Authors, Key, Query } from './order.ts'
import { SCHEMES, type Scheme, UNKNOWN_YEAR } from './table.ts'
import { bookerPrizeTerm, countryTerm } from './words.ts'

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

/** A condition of a row that an index of its own may answer. */
export interface Condition {
  /** Whether a row fulfils it, written so that no engine takes an index for it. */
  holds(eb: Authors): Expression<SqlBool>
  /** Those that fulfil it, through its index, if there is one. */
  through?<O>(query: Query<O>): Query<O>
  /** In the order of what that gives them. */
  order?: Key
}

/** A filter as the engine is asked for it. */
export interface Search {
  /** What the word index is asked for; undefined when that decides nothing. */
  match: string | undefined
  conditions: Condition[]
}

/** The search for a filter. */
export async function searchFor(db: ReadDb, filter: AuthorFilter): Promise<Search> {
  const { text = '', country, bookerPrize } = filter
  const prefixes = wordsOf(text)
  const terms = [
    ...(country === undefined ? [] : [countryTerm(country)]),
    ...(bookerPrize === true ? [bookerPrizeTerm] : [])
  ]
  const match =
    prefixes.length + terms.length === 0 ? undefined : await sqlOf(db).matchOf(db, { terms, prefixes })
  return { match, conditions: conditionsOf(filter) }
}

function conditionsOf({
  bookerPrize,
  bornFrom,
  bornTo,
  ownerId,
  identifiers = {}
}: AuthorFilter): Condition[] {
  return [
    ...SCHEMES.flatMap((scheme) => {
      const identifier = identifiers[scheme]
      return identifier === undefined ? [] : [hasIdentifier(scheme, identifier)]
    }),
    ...(ownerId === undefined ? [] : [isOwnedBy(ownerId)]),
    ...(bornFrom === undefined && bornTo === undefined ? [] : [isBorn(bornFrom, bornTo)]),
    ...(bookerPrize === false ? [hasNoBookerPrize] : [])
  ]
}

function hasIdentifier(scheme: Scheme, value: string): Condition {
  return {
    holds: (eb) => sql<SqlBool>`${eb.ref(scheme)} || '' = ${value}`,
    through: (query) => query.where(scheme, '=', value)
  }
}

function isOwnedBy(id: string): Condition {
  return {
    holds: (eb) => sql<SqlBool>`${eb.ref('owner_number')} + 0 = ${numberOfUser(id)}`,
    through: (query) => query.where('owner_number', '=', numberOfUser(id)),
    order: 'number'
  }
}

function isBorn(from = -UNKNOWN_YEAR, to = UNKNOWN_YEAR - 1): Condition {
  return {
    holds: (eb) => sql<SqlBool>`${eb.ref('birth_key')} + 0 between ${from} and ${to}`,
    through: (query) => query.where('birth_key', '>=', from).where('birth_key', '<=', to),
    order: 'birth_key'
  }
}

const hasNoBookerPrize: Condition = {
  holds: (eb) => sql<SqlBool>`${eb.ref('booker_prize')} + 0 = 0`
}

/** Restricts a query to the authors that fulfil all conditions, through no index. */
export function fulfilling<O>(query: Query<O>, conditions: Condition[]): Query<O> {
  return conditions.reduce((narrowed, { holds }) => narrowed.where(holds), query)
}

/** How many authors the word index, or an index of one of the conditions, leaves over: the least of these, up to `most`. */
export interface Fewest {
  count: number
  /** Whose index that is; the word index if left out. */
  condition?: Condition
}

/** By which index the fewest authors must be looked at, if these are fewer than `most`. */
export async function findFewest(db: ReadDb, { match, conditions }: Search, most: number) {
  let fewest: Fewest = { count: most }
  for (const condition of conditions) {
    if (condition.through === undefined) continue
    const some = condition.through(db.selectFrom('authors').select('number')).limit(fewest.count)
    const { count } = await db
      .selectFrom(some.as('some'))
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    if (count < fewest.count) fewest = { count, condition }
  }
  if (match !== undefined && fewest.count > 0) {
    const count = await sqlOf(db).countMatches(db, match, fewest.count)
    if (count < fewest.count) fewest = { count }
  }
  return fewest.count < most ? fewest : undefined
}
