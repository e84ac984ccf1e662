import type { NotNull } from 'kysely'
import { latestCredible } from './clock.ts'
import { compiledOnce } from './compiled.ts'
import type { Db, ReadDb } from './tables.ts'
import { numberOfUser } from './user-numbers.ts'
import type { Role } from './users.ts'

/** Why a session ended before its time. */
export type EndReason =
  | 'logout'
  | 'revoked'
  | 'password_changed'
  | 'password_reset'
  | 'disabled'
  | 'ended_by_admin'
  | 'token_reused'

export interface SessionsTable {
  id: string
  user_number: number
  user_agent: string | null
  created_at: string
  /** When it was last refreshed, which an active client does every few minutes. */
  last_used_at: string
  idle_expires_at: string
  expires_at: string
  ended_at: string | null
  end_reason: EndReason | null
  /** Of the part that all refresh tokens of the session share, by which a spent one is told from a made-up one. */
  family_hash: string
  /** Of the part that changes with each refresh: of the token now good, and of the one before it. */
  refresh_hash: string
  previous_hash: string | null
  /** From the token before it and this, the token now good is derived; from this alone nothing is. */
  rotation_salt: string | null
  rotated_at: string | null
}

declare module './tables.ts' {
  interface Tables {
    sessions: SessionsTable
  }
}

const PUBLIC_COLUMNS = [
  'id',
  'user_agent',
  'created_at',
  'last_used_at',
  'expires_at',
  'ended_at',
  'end_reason'
] as const

/** With subqueries, for SQLite takes five times as long over a join of the same two rows. */
const selectSessionUser = compiledOnce<{ sessionId: string; now: string; soon: string }>()(
  (db, { sessionId, now, soon }) =>
    db
      .selectFrom('users')
      .select((eb) => [
        'id',
        'number',
        'role',
        eb.selectFrom('sessions').select('created_at').where('sessions.id', '=', sessionId).as('since'),
        eb.selectFrom('sessions').select('expires_at').where('sessions.id', '=', sessionId).as('until')
      ])
      .where('number', '=', (eb) =>
        eb
          .selectFrom('sessions')
          .select('user_number')
          .where('sessions.id', '=', sessionId)
          .where('expires_at', '>', now)
          .where('created_at', '<=', soon)
          .where('ended_at', 'is', null)
      )
      .where('disabled_at', 'is', null)
      .$narrowType<{ since: NotNull; until: NotNull }>()
)

/**
 * The user of a session that is alive, with what every request must know, since when, and until when at the latest; by primary key
 * alone, for this runs before all else. A session that begins in the future outlives its time, and is not alive.
 */
export async function findSessionUser(
  db: ReadDb,
  sessionId: string,
  at = new Date().toISOString()
): Promise<{ id: string; number: number; role: Role; since: string; until: string } | undefined> {
  const { rows } = await selectSessionUser(db, { sessionId, now: at, soon: latestCredible(at) })
  return rows[0]
}

/** A session with the secrets' hashes, if it is alive and not idle for too long. */
export async function findSessionToRefresh(db: ReadDb, sessionId: string, at: string) {
  return db
    .selectFrom('sessions')
    .innerJoin('users', 'users.number', 'sessions.user_number')
    .selectAll('sessions')
    .select('users.id as user_id')
    .where('sessions.id', '=', sessionId)
    .where('sessions.ended_at', 'is', null)
    .where('sessions.idle_expires_at', '>', at)
    .where('sessions.expires_at', '>', at)
    .where('sessions.created_at', '<=', latestCredible(at))
    .where('sessions.last_used_at', '<=', latestCredible(at))
    .where('users.disabled_at', 'is', null)
    .executeTakeFirst()
}

/** Up to `limit` sessions of a user, the ended ones too, newest first, those before the id `before`. */
export async function listSessions(
  db: ReadDb,
  userId: string,
  { limit, before }: { limit: number; before: string | undefined }
) {
  return db
    .selectFrom('sessions')
    .select(PUBLIC_COLUMNS)
    .where('user_number', '=', numberOfUser(userId))
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}

/** Opens a session. */
export async function insertSession(
  trx: Db,
  session: Pick<
    SessionsTable,
    'id' | 'user_agent' | 'created_at' | 'idle_expires_at' | 'expires_at' | 'family_hash' | 'refresh_hash'
  > & { userId: string }
): Promise<void> {
  const { userId, ...columns } = session
  await trx
    .insertInto('sessions')
    .values({ ...columns, user_number: numberOfUser(userId), last_used_at: session.created_at })
    .execute()
}

/** Makes another refresh token the good one. */
export async function rotateSession(
  trx: Db,
  sessionId: string,
  rotation: { refreshHash: string; previousHash: string; salt: string; at: string; idleExpiresAt: string }
): Promise<void> {
  await trx
    .updateTable('sessions')
    .set({
      refresh_hash: rotation.refreshHash,
      previous_hash: rotation.previousHash,
      rotation_salt: rotation.salt,
      rotated_at: rotation.at,
      last_used_at: rotation.at,
      idle_expires_at: rotation.idleExpiresAt
    })
    .where('id', '=', sessionId)
    .execute()
}

/** Which of a user's sessions: one of them, all but one, or all. */
export interface WhichSessions {
  only?: string | undefined
  except?: string | undefined
}

/** Ends the sessions of a user that are alive. Gives how many ended. */
export async function endSessions(
  trx: Db,
  userId: string,
  { reason, at, only, except }: { reason: EndReason; at: string } & WhichSessions
): Promise<number> {
  const { numUpdatedRows } = await trx
    .updateTable('sessions')
    .set({ ended_at: at, end_reason: reason })
    .where('user_number', '=', numberOfUser(userId))
    .where('ended_at', 'is', null)
    .$if(only !== undefined, (query) => query.where('id', '=', only as string))
    .$if(except !== undefined, (query) => query.where('id', '!=', except as string))
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
