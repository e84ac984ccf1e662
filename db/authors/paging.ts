/** Pages of all authors, which most readers ask for. */
import { type QueryResult, sql } from 'kysely'
import { compiledOnce } from '../compiled.ts'
import type { ReadDb } from '../database.ts'
import { joined, joinedBytes } from '../dialect.ts'
import { type AuthorOrder, KEYS, type Position, positionOf, sorted, within } from './order.ts'
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
  after: Position | undefined
}

/**
 * Without a condition there are few statements, so that each is compiled once. The engine joins the records itself: making a text
 * of each, and bytes of them all again, takes twice the time.
 */
export async function listAll(db: ReadDb, order: AuthorOrder, { limit, after }: PageBounds): Promise<Page> {
  const start = { value: after?.[0] ?? '', id: after?.at(-1) as string }
  const { rows } = await statementFor(order, after)(db, { ...start, limit, offset: limit - 1 })
  const [page, last, next] = rows
  const position = ({ key, id }: PageRow) => positionOf({ id: id as string, [KEYS[order.by]]: key }, order)
  const end = next && position(next)
  return {
    records: page?.records ?? Buffer.alloc(0),
    last: end && position(last as PageRow),
    span: { filter: {}, order, after, end, ids: idsOf(order, page?.id, next?.id) }
  }
}

/** In the order of creation none need be known: there, each author keeps its place. */
function idsOf({ by }: AuthorOrder, ids: string | null = null, nextId: string | null = null) {
  return by === 'created_at' ? undefined : new Set([...(ids ?? '').split(','), nextId ?? ''])
}

/** Where a page begins, by its order's key and its id, and how far it goes. */
interface Bounds {
  value: string | number
  id: string
  limit: number
  offset: number
}

/** The first row has the records and all ids, the second the place of the page's last author, the third that of the next one. */
interface PageRow {
  records: Buffer | null
  key: string | number | null
  id: string | null
}

type Statement = (db: ReadDb, bounds: Bounds) => Promise<QueryResult<PageRow>>

const statements = new Map<string, Statement>()

function statementFor(order: AuthorOrder, after: Position | undefined): Statement {
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
  return compiledOnce<Bounds>()((db, { value, id, limit, offset }) => {
    const start: Position = key === 'id' ? [id] : [value, id]
    const from = hasStart ? start : undefined
    const rest = sorted(within(db.selectFrom('authors'), order, { from, to: undefined }), order)
    const page = rest.select([`${key} as key`, 'id', 'record']).limit(limit)
    const edge = rest
      .select([`${key} as key`, 'id'])
      .limit(2)
      .offset(offset)
    return db
      .selectFrom(page.as('page'))
      .select([
        joinedBytes(sql.ref('record')).as('records'),
        sql<string | number | null>`null`.as('key'),
        joined(sql.ref('page.id')).as('id')
      ])
      .unionAll(
        db
          .selectFrom(edge.as('edge'))
          .select([sql<Buffer | null>`null`.as('records'), 'key', 'id'])
          .$castTo<PageRow>()
      )
  })
}
