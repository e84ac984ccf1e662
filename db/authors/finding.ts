/**
 * Finding authors, always through an index and never holding up the event loop for long: when one of the conditions has few
 * matches they are collected and sorted; when all have many, the authors are walked in the order that is asked for, some
 * thousand at a time, until the page is full.
 */
import { setImmediate as othersTurn } from 'node:timers/promises'
import {
  type Expression,
  type ExpressionBuilder,
  type QueryResult,
  type SelectQueryBuilder,
  type SqlBool,
  sql
} from 'kysely'
import { compiledOnce } from '../compiled.ts'
import type { Db, Tables } from '../database.ts'
import { joinedBytes } from '../dialect.ts'
import { foldText, wordsOf } from '../text.ts'
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

export interface AuthorOrder {
  by: 'name' | 'created_at' | 'updated_at' | 'birth_year'
  descending: boolean
}

/** Where an author stands in an order: what is compared, then the id where that is equal. */
export type Position = readonly [string | number, string] | readonly [string]

type Key = 'id' | 'name_key' | 'updated_at' | 'birth_key'
type Authors = ExpressionBuilder<Tables, 'authors'>
type Query<O> = SelectQueryBuilder<Tables, 'authors', O>

interface Condition {
  /** Whether a row fulfils it, written so that no engine takes an index for it. */
  holds(eb: Authors): Expression<SqlBool>
  /** The ids of all that fulfil it, through an index. */
  ids?(db: Db): SelectQueryBuilder<Tables, never, { id: string }>
  /** Restricts a query to those that fulfil it, through an index in the order of ids. */
  inOrderOfIds?<O>(query: Query<O>): Query<O>
}

/** A part of an order: all after `from` up to `to`, or to the end. */
interface Range {
  from: Position | undefined
  to: Position | undefined
}

const KEYS: Record<AuthorOrder['by'], Key> = {
  // Ids are in the order of creation.
  created_at: 'id',
  name: 'name_key',
  updated_at: 'updated_at',
  birth_year: 'birth_key'
}

const WALKED_AT_ONCE = 4000
/** Up to so many matches are collected rather than walked to: of a lone condition, and where several thin out the walk. */
const FEW = 4000
const FEW_OF_SEVERAL = 16_000

/** A page of authors that were looked for. */
export interface Page {
  /** The authors as JSON in UTF-8, with commas between. */
  records: Buffer
  /** Where the last of them stands, if there are more. */
  last: Position | undefined
}

interface PageBounds {
  limit: number
  after: Position | undefined
}

/** Up to `limit` authors that fulfil the filter, in this order, those after the position. */
export async function listAuthors(
  db: Db,
  filter: AuthorFilter,
  order: AuthorOrder,
  { limit, after }: PageBounds
): Promise<Page> {
  const conditions = conditionsOf(filter)
  if (conditions.length === 0) return listAll(db, order, { limit, after })
  const plan = await planFor(db, conditions, order)
  const found: (KeyRow & { record: string })[] = []
  for await (const range of rangesOf(db, plan, after)) {
    const query = sorted(within(plan.matching(db), order, range), order)
    const rows = await query
      .select([KEYS[order.by], 'id', 'record'])
      .limit(limit + 1 - found.length)
      .execute()
    found.push(...(rows as typeof found))
    if (found.length > limit) break
  }
  const page = found.slice(0, limit)
  const last = found.length > limit ? page.at(-1) : undefined
  return {
    records: Buffer.from(page.map(({ record }) => record).join(',')),
    last: last && positionOf(last, order)
  }
}

type KeyRow = Partial<Record<Key, string | number>> & { id: string }

function positionOf(row: KeyRow, { by }: AuthorOrder): Position {
  const key = KEYS[by]
  return key === 'id' ? [row.id] : [row[key] as string | number, row.id]
}

/**
 * Without a condition there are few statements, so that each is compiled once. The engine joins the records itself: to make a
 * text of each, and bytes of them all again, takes twice the time. Both reads see one state, that of the request's snapshot.
 */
async function listAll(db: Db, order: AuthorOrder, { limit, after }: PageBounds): Promise<Page> {
  const { selectRecords, selectLast } = statementsFor(order, after)
  const from = after ?? []
  const [page] = (await selectRecords(db, [...from, limit])).rows
  const [last, next] = (await selectLast(db, [...from, 2, limit - 1])).rows
  return {
    records: page?.records ?? Buffer.alloc(0),
    last: last && next && positionOf(last, order)
  }
}

interface Statements {
  /** The page's last, and if there is one the next. */
  selectLast: (db: Db, parameters: readonly unknown[]) => Promise<QueryResult<KeyRow>>
  selectRecords: (db: Db, parameters: readonly unknown[]) => Promise<QueryResult<{ records: Buffer | null }>>
}

const statements = new Map<string, Statements>()

function statementsFor(order: AuthorOrder, from: Position | undefined): Statements {
  const name = `${order.by} ${order.descending} ${from === undefined}`
  const known = statements.get(name)
  if (known !== undefined) return known
  const page = (db: Db) => sorted(within(db.selectFrom('authors'), order, { from, to: undefined }), order)
  const keys = [KEYS[order.by], 'id'] as const
  const made: Statements = {
    selectLast: compiledOnce((db) => page(db).select(keys).limit(2).offset(1)),
    selectRecords: compiledOnce((db) =>
      db
        .selectFrom(
          page(db)
            .select([...keys, 'record'])
            .limit(1)
            .as('page')
        )
        .select(joinedBytes(sql.ref('record')).as('records'))
    )
  }
  statements.set(name, made)
  return made
}

/** How many authors fulfil the filter. */
export async function countAuthors(db: Db, filter: AuthorFilter): Promise<number> {
  const order = { by: 'created_at', descending: false } as const
  const plan = await planFor(db, conditionsOf(filter), order)
  let total = 0
  for await (const range of rangesOf(db, plan, undefined)) {
    const query = within(plan.matching(db), order, range)
    const { count } = await query
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    total += count
  }
  return total
}

function conditionsOf(filter: AuthorFilter): Condition[] {
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
  // As a literal, or else the partial index would not be known to fit.
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

/** How the authors that fulfil the conditions are come by. */
interface Plan {
  order: AuthorOrder
  /** Whether all that `lane` lets through must be walked through, for few of them may match. */
  isWalk: boolean
  lane(db: Db): Query<object>
  matching(db: Db): Query<object>
}

async function planFor(db: Db, conditions: Condition[], order: AuthorOrder): Promise<Plan> {
  const authors = (from: Db): Query<object> => from.selectFrom('authors')
  if (conditions.length === 0) return { order, isWalk: false, lane: authors, matching: authors }

  const rarest = await findRarest(db, conditions)
  const inLane = order.by === 'created_at' ? conditions.find((one) => one.inOrderOfIds) : undefined
  const others = conditions.filter((condition) => condition !== rarest && condition !== inLane)
  const fulfilling = (query: Query<object>, all: Condition[]) =>
    all.reduce((narrowed, { holds }) => narrowed.where(holds), query)

  if (rarest?.ids !== undefined) {
    const few = (from: Db) => authors(from).where('id', 'in', rarest.ids?.(from) as never)
    const rest = conditions.filter((condition) => condition !== rarest)
    return { order, isWalk: false, lane: few, matching: (from) => fulfilling(few(from), rest) }
  }
  const lane = (from: Db) => inLane?.inOrderOfIds?.(authors(from)) ?? authors(from)
  return { order, isWalk: others.length > 0, lane, matching: (from) => fulfilling(lane(from), others) }
}

/** The condition with the fewest matches, if these are few. */
async function findRarest(db: Db, conditions: Condition[]): Promise<Condition | undefined> {
  let fewest = conditions.length === 1 ? FEW : FEW_OF_SEVERAL
  let rarest: Condition | undefined
  for (const condition of conditions) {
    if (condition.ids === undefined) continue
    const matches = condition.ids(db).limit(fewest).as('matches')
    const { count } = await db
      .selectFrom(matches)
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    if (count < fewest) {
      fewest = count
      rarest = condition
    }
    if (fewest === 0) break
  }
  return rarest
}

/** The order from a position on: in one piece, or where it must be walked, in pieces between which others get their turn. */
async function* rangesOf(db: Db, plan: Plan, after: Position | undefined): AsyncGenerator<Range> {
  if (!plan.isWalk) return yield { from: after, to: undefined }
  for (let from = after; ; ) {
    const to = await findPositionAhead(db, plan, from)
    yield { from, to }
    if (to === undefined) return
    from = to
    await othersTurn()
  }
}

async function findPositionAhead(
  db: Db,
  { lane, order }: Plan,
  from: Position | undefined
): Promise<Position | undefined> {
  const key = KEYS[order.by]
  const row = await sorted(within(lane(db), order, { from, to: undefined }), order)
    .select([key, 'id'])
    .limit(1)
    .offset(WALKED_AT_ONCE)
    .executeTakeFirst()
  return row && positionOf(row as KeyRow, order)
}

function sorted<O>(query: Query<O>, { by, descending }: AuthorOrder): Query<O> {
  const direction = descending ? 'desc' : 'asc'
  const key = KEYS[by]
  return key === 'id'
    ? query.orderBy('id', direction)
    : query.orderBy(key, direction).orderBy('id', direction)
}

function within<O>(query: Query<O>, { by, descending }: AuthorOrder, { from, to }: Range): Query<O> {
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
