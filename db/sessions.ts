import type { NotNull } from 'kysely'
import { uuidv7 } from 'uuidv7'
import { compiledOnce } from './compiled.ts'
import type { Db } from './database.ts'
import { mayStillLogIn, type Role } from './users.ts'

/** Why a session ended before its time. */
export type EndReason =
  | 'logout'
  | 'revoked'
  | 'password_changed'
  | 'password_reset'
  | 'disabled'
  | 'token_reused'

export interface SessionsTable {
  id: string
  user_id: string
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

export interface SessionTimes {
  idleExpiresAt: string
  expiresAt: string
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

/**
 * Opens a session if the user may still log in with the password of this hash, else gives undefined; and forgets the user's
 * sessions that ended or expired before `forgetBefore`.
 */
export async function insertSession(
  db: Db,
  session: {
    userId: string
    passwordHash: string
    userAgent: string | null
    familyHash: string
    refreshHash: string
  } & SessionTimes,
  forgetBefore: string
): Promise<string | undefined> {
  const now = new Date().toISOString()
  const id = uuidv7()
  return db.transaction().execute(async (trx) => {
    if (!(await mayStillLogIn(trx, session.userId, session.passwordHash))) return undefined
    await trx
      .deleteFrom('sessions')
      .where('user_id', '=', session.userId)
      .where((eb) => eb.or([eb('ended_at', '<', forgetBefore), eb('idle_expires_at', '<', forgetBefore)]))
      .execute()
    await trx
      .insertInto('sessions')
      .values({
        id,
        user_id: session.userId,
        user_agent: session.userAgent,
        created_at: now,
        last_used_at: now,
        idle_expires_at: session.idleExpiresAt,
        expires_at: session.expiresAt,
        family_hash: session.familyHash,
        refresh_hash: session.refreshHash
      })
      .execute()
    return id
  })
}

/** With subqueries, for SQLite takes five times as long over a join of the same two rows. */
const selectSessionUser = compiledOnce((db) =>
  db
    .selectFrom('users')
    .select((eb) => [
      'id',
      'role',
      eb.selectFrom('sessions').select('expires_at').where('sessions.id', '=', 'the id').as('until')
    ])
    .where('id', '=', (eb) =>
      eb
        .selectFrom('sessions')
        .select('user_id')
        .where('sessions.id', '=', 'the id')
        .where('expires_at', '>', 'now')
        .where('ended_at', 'is', null)
    )
    .where('disabled_at', 'is', null)
    .$narrowType<{ until: NotNull }>()
)

/** The user of a session that is alive, with what every request must know, and when it ends at the latest; by primary key alone, for this runs before all else. */
export async function findSessionUser(
  db: Db,
  sessionId: string
): Promise<{ id: string; role: Role; until: string } | undefined> {
  const { rows } = await selectSessionUser(db, [sessionId, sessionId, new Date().toISOString()])
  return rows[0]
}

/** A session with the secrets' hashes, if it is alive and not idle for too long. */
export async function findSessionToRefresh(trx: Db, sessionId: string) {
  const now = new Date().toISOString()
  return trx
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .selectAll('sessions')
    .where('sessions.id', '=', sessionId)
    .where('sessions.ended_at', 'is', null)
    .where('sessions.idle_expires_at', '>', now)
    .where('sessions.expires_at', '>', now)
    .where('users.disabled_at', 'is', null)
    .executeTakeFirst()
}

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

/** Ends the sessions of a user that are alive: one of them, all but one, or all. Gives how many ended. */
export async function endSessions(
  db: Db,
  userId: string,
  reason: EndReason,
  which: { only?: string; except?: string } = {}
): Promise<number> {
  const { numUpdatedRows } = await db
    .updateTable('sessions')
    .set({ ended_at: new Date().toISOString(), end_reason: reason })
    .where('user_id', '=', userId)
    .where('ended_at', 'is', null)
    .$if(which.only !== undefined, (query) => query.where('id', '=', which.only as string))
    .$if(which.except !== undefined, (query) => query.where('id', '!=', which.except as string))
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** Up to `limit` sessions of a user, the ended ones too, newest first, those before the id `before`. */
export async function listSessions(
  db: Db,
  userId: string,
  { limit, before }: { limit: number; before: string | undefined }
) {
  return db
    .selectFrom('sessions')
    .select(PUBLIC_COLUMNS)
    .where('user_id', '=', userId)
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}
