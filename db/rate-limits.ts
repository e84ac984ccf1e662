import { sql } from 'kysely'
import type { Db, ReadDb } from './tables.ts'

/** What is counted against a limit within a window of time; a row whose window is over counts as none. */
export interface RateLimitsTable {
  key: string
  points: number
  /** The end of the window, in milliseconds since 1970. */
  expires_at: number
}

declare module './tables.ts' {
  interface Tables {
    rate_limits: RateLimitsTable
  }
}

/** Where a key stands. */
export type StoredPoints = Pick<RateLimitsTable, 'points' | 'expires_at'>

/** Points for a key at a moment, with the end of the window that they begin if none is open (times in ms since 1970). */
export interface AddedPoints {
  key: string
  points: number
  now: number
  expiresAt: number
  /** Begins a new window even though one is open. */
  afresh: boolean
}

/** What is counted at the same moment by several processes may be written in another order. */
const LATENESS_MS = 5000

/**
 * Adds points in one atomic statement, so that requests at the same moment never count as one; gives the row as it is then. A window that
 * ends later than one that begins now was begun by a clock that was ahead, and is over.
 */
export async function addPoints(
  trx: Db,
  { key, points, now, expiresAt, afresh }: AddedPoints
): Promise<StoredPoints> {
  const latestEnd = expiresAt + LATENESS_MS
  const isOver = sql<boolean>`(rate_limits.expires_at <= ${now} or rate_limits.expires_at > ${latestEnd} or ${Number(afresh)} = 1)`
  return trx
    .insertInto('rate_limits')
    .values({ key, points, expires_at: expiresAt })
    .onConflict((conflict) =>
      conflict.column('key').doUpdateSet({
        points: sql`case when ${isOver} then excluded.points else rate_limits.points + excluded.points end`,
        expires_at: sql`case when ${isOver} then excluded.expires_at else rate_limits.expires_at end`
      })
    )
    .returning(['points', 'expires_at'])
    .executeTakeFirstOrThrow()
}

/** The points of a key whose window is open at `now`, and ends no later than one that begins then. */
export async function findPoints(db: ReadDb, key: string, now: number, latestEnd: number) {
  return db
    .selectFrom('rate_limits')
    .select(['points', 'expires_at'])
    .where('key', '=', key)
    .where('expires_at', '>', now)
    .where('expires_at', '<=', latestEnd + LATENESS_MS)
    .executeTakeFirst()
}

/** What is counted now for this key, and for those that begin with it and `.`. */
export async function listPointsOf(db: ReadDb, beginning: string, now: number): Promise<StoredPoints[]> {
  return db
    .selectFrom('rate_limits')
    .select(['points', 'expires_at'])
    .where('key', '>=', beginning)
    .where('key', '<', `${beginning}/`)
    .where('expires_at', '>', now)
    .orderBy('key')
    .execute()
}

/** Forgets up to `limit` keys that begin like this, after which comes `.`; gives how many. */
export async function deletePointsOf(trx: Db, beginning: string, limit: number): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('rate_limits')
    .where('key', 'in', (rows) =>
      rows
        .selectFrom('rate_limits')
        .select('key')
        .where('key', '>', `${beginning}.`)
        .where('key', '<', `${beginning}/`)
        .limit(limit)
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** Forgets a key; tells whether there was anything to forget. */
export async function deletePoints(trx: Db, key: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('rate_limits')
    .where('key', '=', key)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/** Deletes up to `limit` rows whose window was over at `now`, the oldest first; gives how many. */
export async function deleteExpiredPoints(trx: Db, now: number, limit: number): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('rate_limits')
    .where('key', 'in', (rows) =>
      rows
        .selectFrom('rate_limits')
        .select('key')
        .where('expires_at', '<=', now)
        .orderBy('expires_at')
        .limit(limit)
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
