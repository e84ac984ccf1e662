/**
 * Finding authors without holding up the event loop for long. When an index leaves few of them, these are looked at. When all leave
 * many, the authors are looked at in the order that is asked for, some at a time, until the page is full.
 */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { sqlOf } from '../engine.ts'
import type { ReadDb } from '../tables.ts'
import { candidatesOf } from './candidates.ts'
import {
  type AuthorFilter,
  type Fewest,
  findFewest,
  fulfilling,
  type Search,
  searchFor
} from './conditions.ts'
import {
  type AuthorOrder,
  after as afterPlace,
  comparePlaces,
  KEYS,
  type KeyRow,
  type Place,
  placeOf,
  positionOf,
  type Query,
  sorted
} from './order.ts'
import { listAll, type Page, type PageBounds } from './paging.ts'
import { fits } from './spans.ts'

/** To look at so many is quicker than to walk through a million for those that are asked for. */
export const FEW = 8000
const WALKED_AT_FIRST = 50
const WALKED_AT_ONCE = 500
/** Who is not found by then is looked for among all candidates, which takes a fraction of the time for each. */
const MOST_WALKED = 10_000

interface Found extends KeyRow {
  id: string
  record: string
}

/** Which part of which order is looked for, and up to how many authors of it. */
interface Bounds {
  order: AuthorOrder
  after: Place | undefined
  most: number
}

/** Up to `limit` authors that fulfil the filter, in this order, those after the place. */
export async function listAuthors(
  db: ReadDb,
  filter: AuthorFilter,
  order: AuthorOrder,
  { limit, after }: PageBounds
): Promise<Page> {
  const search = await searchFor(db, filter)
  if (search.match === undefined && search.conditions.length === 0) {
    return listAll(db, order, { limit, after })
  }
  const found = await find(db, filter, search, { order, after, most: limit + 1 })
  const [page, next] = [found.slice(0, limit), found[limit]]
  return {
    records: Buffer.from(page.map(({ record }) => record).join(',')),
    last: next && positionOf(page.at(-1) as Found, order),
    span: {
      filter,
      order,
      after,
      end: next && placeOf(next, order),
      numbers: new Set(found.map(({ number }) => number))
    }
  }
}

async function find(db: ReadDb, filter: AuthorFilter, search: Search, bounds: Bounds): Promise<Found[]> {
  const { match, conditions } = search
  // The word index has its matches in this order.
  if (match !== undefined && conditions.length === 0 && bounds.order.by === 'created_at') {
    return findByWords(db, match, bounds)
  }
  const fewest = await findFewest(db, search, FEW)
  if (fewest?.count === 0) return []
  if (fewest !== undefined) return findAmongFew(db, filter, search, fewest, bounds)
  const walked = await firstThatFit(filter, bounds.most, walk(db, search, bounds))
  return walked ?? collect(db, search, bounds)
}

function select<O>(query: Query<O>, { order, after, most }: Bounds): Promise<Found[]> {
  return sorted(afterPlace(query, order, after), order)
    .select([`authors.${KEYS[order.by]}`, 'authors.number', 'authors.id', 'authors.record'])
    .limit(most)
    .execute() as unknown as Promise<Found[]>
}

function findByWords(db: ReadDb, match: string, { order, after, most }: Bounds): Promise<Found[]> {
  const { descending } = order
  return sqlOf(db)
    .matching(db, match, { after: after?.[0] as number | undefined, descending })
    .select(['authors.number', 'authors.id', 'authors.record'])
    .limit(most)
    .execute()
}

/** When the index of a condition, or of words, leaves few. */
export async function findAmongFew(
  db: ReadDb,
  filter: AuthorFilter,
  { match, conditions }: Search,
  { condition }: Fewest,
  bounds: Bounds
): Promise<Found[]> {
  const others = conditions.filter((one) => one !== condition)
  if (condition?.through === undefined) {
    return select(fulfilling(sqlOf(db).matching(db, match as string), others), bounds)
  }
  const few = fulfilling(condition.through(db.selectFrom('authors')), others)
  if (match === undefined) return select(few, bounds)
  return (await firstThatFit(filter, bounds.most, rowsOf(db, few, bounds))) as Found[]
}

/** Those that fit among the rows; undefined when they end before it is known who comes first. */
async function firstThatFit(filter: AuthorFilter, most: number, parts: AsyncGenerator<Found[], boolean>) {
  const found: Found[] = []
  for (;;) {
    const { value, done } = await parts.next()
    if (done) return value ? found : undefined
    found.push(...value.filter(({ record }) => fits(filter, JSON.parse(record))))
    if (found.length >= most) return found.slice(0, most)
    await yieldToEventLoop()
  }
}

/** The few rows of a query in their order, some at a time: most of them are seldom needed. */
async function* rowsOf(db: ReadDb, few: Query<object>, { order, after }: Bounds) {
  const places = sorted(afterPlace(few, order, after), order).select('authors.number')
  const numbers = (await places.execute()).map(({ number }) => number)
  for (let from = 0; from < numbers.length; from += WALKED_AT_ONCE) {
    const some = sqlOf(db).amongNumbers(numbers.slice(from, from + WALKED_AT_ONCE))
    const bounds = { order, after: undefined, most: WALKED_AT_ONCE }
    yield await select(db.selectFrom('authors').where(some), bounds)
  }
  return true
}

/** Walks through the order that is asked for; ends with whether that was all of it. */
async function* walk(db: ReadDb, { conditions }: Search, { order, after }: Bounds) {
  const key = KEYS[order.by]
  const lane = conditions.find((condition) => condition.order === key)?.through
  const authors = db.selectFrom('authors')
  let [place, walked, most] = [after, 0, WALKED_AT_FIRST]
  while (walked < MOST_WALKED) {
    const rows = await select(lane?.(authors) ?? authors, { order, after: place, most })
    yield rows
    if (rows.length < most) return true
    place = placeOf(rows.at(-1) as Found, order)
    walked += most
    most = Math.min(2 * most, WALKED_AT_ONCE)
  }
  return false
}

/** The first of all candidates, wherever in the order they are. */
async function collect(db: ReadDb, search: Search, bounds: Bounds): Promise<Found[]> {
  const { order, most } = bounds
  const sign = order.descending ? -1 : 1
  let first: Found[] = []
  for await (const some of candidatesOf(db, search)) {
    const more = await select(fulfilling(some, search.conditions), bounds)
    first = [...first, ...more]
      .sort((one, other) => sign * comparePlaces(placeOf(one, order), placeOf(other, order)))
      .slice(0, most)
  }
  return first
}
