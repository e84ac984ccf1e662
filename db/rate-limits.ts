import { sql } from 'kysely'
import type { Db } from './database.ts'

/** What is counted against a limit within a window of time; a row whose window is over counts as none. */
export interface RateLimitsTable {
  key: string
  points: number
  /** The end of the window, in milliseconds since 1970. */
  expires_at: number
}

/** Points for a key at a moment, with the end of the window that they begin if none is open (times in ms since 1970). */
export interface AddedPoints {
  key: string
  points: number
  now: number
  expiresAt: number
  /** Begins a new window even though one is open. */
  afresh: boolean
}

/** Adds points in one atomic statement, so that requests at the same moment never count as one; gives the row as it is then. */
export async function addPoints(db: Db, { key, points, now, expiresAt, afresh }: AddedPoints) {
  const isOver = sql<boolean>`(rate_limits.expires_at <= ${now} or ${Number(afresh)} = 1)`
  return db
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

/** The points of a key whose window is open at `now`. */
export async function findPoints(db: Db, key: string, now: number) {
  return db
    .selectFrom('rate_limits')
    .select(['points', 'expires_at'])
    .where('key', '=', key)
    .where('expires_at', '>', now)
    .executeTakeFirst()
}

/** Forgets a key; tells whether there was anything to forget. */
export async function deletePoints(db: Db, key: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('rate_limits')
    .where('key', '=', key)
    .executeTakeFirstOrThrow()
  return numDeletedRows > 0n
}

/** Deletes up to `limit` rows whose window was over at `now`, the oldest first. */
export async function deleteExpiredPoints(db: Db, now: number, limit: number): Promise<void> {
  await db
    .deleteFrom('rate_limits')
    .where('key', 'in', (rows) =>
      rows
        .selectFrom('rate_limits')
        .select('key')
        .where('expires_at', '<=', now)
        .orderBy('expires_at')
        .limit(limit)
    )
    .execute()
}
