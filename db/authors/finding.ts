/**
 * Finding authors, always through an index and never holding up the event loop for long: when one of the conditions has few
 * matches they are collected and sorted; when all have many, the authors are walked in the order that is asked for, some
 * thousand at a time, until the page is full.
 */
import type { ReadDb } from '../database.ts'
import { type AuthorFilter, conditionsOf } from './conditions.ts'
import { type AuthorOrder, KEYS, type KeyRow, positionOf, sorted, within } from './order.ts'
import { listAll, type Page, type PageBounds } from './paging.ts'
import { planFor, rangesOf } from './planning.ts'

/** Up to `limit` authors that fulfil the filter, in this order, those after the position. */
export async function listAuthors(
  db: ReadDb,
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
  const next = found[limit]
  const end = next && positionOf(next, order)
  return {
    records: Buffer.from(page.map(({ record }) => record).join(',')),
    last: end && positionOf(page.at(-1) as KeyRow, order),
    span: { filter, order, after, end, ids: new Set(found.map(({ id }) => id)) }
  }
}

/** How many authors fulfil the filter. */
export async function countAuthors(db: ReadDb, filter: AuthorFilter): Promise<number> {
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
