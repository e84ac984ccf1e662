/** Pages of all authors, which most readers ask for. */
import { type QueryResult, sql } from 'kysely'
import { compiledOnce } from '../compiled.ts'
import { sqlOf } from '../engine.ts'
import type { ReadDb } from '../tables.ts'
import {
  type AuthorOrder,
  after as afterPlace,
  KEYS,
  type Place,
  type Position,
  placeOf,
  positionOf,
  sorted
} from './order.ts'
import type { Span } from './spans.ts'

/** A page of authors that were looked for. */
export interface Page {
  /** The authors as JSON in UTF-8, with commas between. */
  records: Buffer
  /** Where the last of them stands, if there are more. */
  last: Position | undefined
  /** By which it is known what changes concern the page. */
  span: Span
}

export interface PageBounds {
  limit: number
  after: Place | undefined
}

/**
 * Without a condition there are few statements, so that each is compiled once. The engine joins the records itself: making a text
 * of each, and bytes of them all again, takes twice the time.
 */
export async function listAll(db: ReadDb, order: AuthorOrder, { limit, after }: PageBounds): Promise<Page> {
  const start = { value: after?.[0] ?? '', number: after?.at(-1) as number }
  const { rows } = await statementFor(order, after)(db, { ...start, limit, offset: limit - 1 })
  const [page, last, next] = rows
  const edge = ({ key, number, id }: PageRow) => ({ number, id, [KEYS[order.by]]: key }) as Edge
  const end = next && placeOf(edge(next), order)
  return {
    records: bytesOf(page?.records ?? ''),
    last: end && positionOf(edge(last as PageRow), order),
    span: { filter: {}, order, after, end, numbers: numbersOf(order, page?.id, next?.number) }
  }
}

/** An engine gives them as it can without another copy. */
function bytesOf(records: Buffer | string): Buffer {
  return typeof records === 'string' ? Buffer.from(records) : records
}

/** In the order of creation none need be known: there, each author keeps its place. */
function numbersOf({ by }: AuthorOrder, numbers: string | null = null, next: number | null = null) {
  return by === 'created_at' ? undefined : new Set([...(numbers ?? '').split(','), next ?? 0].map(Number))
}

/** Where a page begins, by its order's key and its number, and how far it goes. */
interface Bounds {
  value: string | number
  number: number
  limit: number
  offset: number
}

type Edge = { number: number; id: string }

/** The first row has the records, and all numbers in the place of an id; the second is the page's last author, the third the next one. */
interface PageRow {
  records: Buffer | string | null
  key: string | number | null
  number: number | null
  id: string | null
}

type Statement = (db: ReadDb, bounds: Bounds) => Promise<QueryResult<PageRow>>

const statements = new Map<string, Statement>()

function statementFor(order: AuthorOrder, after: Place | undefined): Statement {
  const name = `${order.by} ${order.descending} ${after === undefined}`
  const known = statements.get(name)
  if (known !== undefined) return known
  const made = makeStatement(order, after !== undefined)
  statements.set(name, made)
  return made
}

/** One statement, because others write between two, and a page must end where its records do. */
function makeStatement(order: AuthorOrder, hasStart: boolean): Statement {
  const key = KEYS[order.by]
  return compiledOnce<Bounds>()((db, { value, number, limit, offset }) => {
    const { joined, joinedBytes } = sqlOf(db)
    const start: Place = key === 'number' ? [number] : [value, number]
    const rest = sorted(afterPlace(db.selectFrom('authors'), order, hasStart ? start : undefined), order)
    const page = rest.select(['number', 'record']).limit(limit)
    const edge = rest
      .select([`${key} as key`, 'number', 'id'])
      .limit(2)
      .offset(offset)
    return db
      .selectFrom(page.as('page'))
      .select([
        joinedBytes(sql.ref('record')).as('records'),
        sql<string | number | null>`null`.as('key'),
        sql<number | null>`null`.as('number'),
        joined(sql.ref('page.number')).as('id')
      ])
      .unionAll(
        db
          .selectFrom(edge.as('edge'))
          .select([sql<PageRow['records']>`null`.as('records'), 'key', 'number', 'id'])
          .$castTo<PageRow>()
      )
  })
}
