import { sql } from 'kysely'
import type { Db } from './tables.ts'
import { numberOfUser } from './user-numbers.ts'

/** When a session was over, by itself or not; the index of old sessions is over just this. */
const OVER_AT = sql<string>`(case when ended_at < idle_expires_at then ended_at else idle_expires_at end)`

/** Deletes up to `limit` sessions, of whichever users, that were over before a time, the oldest first; gives how many. */
export async function deleteOldSessions(trx: Db, before: string, limit: number): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('sessions')
    .where('id', 'in', (rows) =>
      rows.selectFrom('sessions').select('id').where(OVER_AT, '<', before).orderBy(OVER_AT).limit(limit)
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** Deletes up to `limit` sessions of a user; gives how many. */
export async function deleteSessions(trx: Db, userId: string, limit: number): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('sessions')
    .where('id', 'in', (rows) =>
      rows.selectFrom('sessions').select('id').where('user_number', '=', numberOfUser(userId)).limit(limit)
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
