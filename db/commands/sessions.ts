import { timingSafeEqual } from 'node:crypto'
import { logAccountAction } from '../account-log.ts'
import { adminCommand, serviceCommand, userCommand } from '../command.ts'
import { Problem } from '../problems.ts'
import {
  endSessions,
  findSessionToRefresh,
  insertSession,
  rotateSession,
  type SessionsTable,
  type WhichSessions
} from '../sessions.ts'
import { getUser, mayStillLogIn } from '../users.ts'

/** Within this time after a refresh, the token before it gives the same answer again. */
const GRACE_MS = 30_000

interface NewSession {
  userId: string
  /** That the password was checked against. */
  passwordHash: string
  userAgent: string | null
  familyHash: string
  refreshHash: string
  idleExpiresAt: string
  expiresAt: string
}

/** Opens a session. Throws `INVALID_CREDENTIALS` when the password has just changed, or the user may not log in any more. */
export const openSession = serviceCommand<NewSession, { sessionId: string; at: string }>(
  'openSession',
  async (trx, { id, at, userId, passwordHash, userAgent, familyHash, refreshHash, ...times }) => {
    if (!(await mayStillLogIn(trx, userId, passwordHash))) throw new Problem('INVALID_CREDENTIALS', [])
    await insertSession(trx, {
      id,
      userId,
      user_agent: userAgent,
      created_at: at,
      idle_expires_at: times.idleExpiresAt,
      expires_at: times.expiresAt,
      family_hash: familyHash,
      refresh_hash: refreshHash
    })
    return { sessionId: id, at }
  }
)

/** A refresh token as its hashes, and what would follow it. */
interface Refresh {
  sessionId: string
  familyHash: string
  secretHash: string
  /** From this and the token's secret the next one is derived, of which `nextHash` is the hash. */
  salt: string
  nextHash: string
  idleExpiresAt: string
}

/** The salt with which the token's secret leads to the next, and since when. */
export interface Rotated {
  outcome: 'rotated'
  userId: string
  salt: string
  at: string
}

export type Refreshed = Rotated | { outcome: 'invalid' } | { outcome: 'reused'; userId: string }

/**
 * Rotates a session's refresh token. A spent one ends the session, which must stay, so that this is an output and no problem
 * (RFC 9700 section 4.14).
 */
export const refreshSession = serviceCommand<Refresh, Refreshed>('refreshSession', async (trx, refresh) => {
  const { sessionId, familyHash, secretHash, salt, at } = refresh
  const session = await findSessionToRefresh(trx, sessionId, at)
  if (session === undefined || !isSame(session.family_hash, familyHash)) return { outcome: 'invalid' }
  const userId = session.user_id
  if (isSame(session.refresh_hash, secretHash)) {
    const { nextHash: refreshHash, idleExpiresAt } = refresh
    await rotateSession(trx, sessionId, { refreshHash, previousHash: secretHash, salt, at, idleExpiresAt })
    return { outcome: 'rotated', userId, salt, at }
  }
  const repeated = repeatedRotation(session, secretHash, at)
  if (repeated !== undefined) return { outcome: 'rotated', userId, ...repeated }
  await endSessions(trx, userId, { reason: 'token_reused', at, only: sessionId })
  return { outcome: 'reused', userId }
})

/** The last rotation, if it was of this token and not long ago. */
function repeatedRotation(session: SessionsTable, secretHash: string, at: string) {
  const { previous_hash, rotation_salt: salt, rotated_at } = session
  if (previous_hash === null || !isSame(previous_hash, secretHash)) return undefined
  if (salt === null || rotated_at === null) return undefined
  return Date.parse(at) - Date.parse(rotated_at) > GRACE_MS ? undefined : { salt, at: rotated_at }
}

function isSame(expected: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(expected), Buffer.from(hash))
}

/** Logs the caller out, of these sessions; gives how many ended. */
export const logOut = userCommand<WhichSessions, number>(
  'logOut',
  'reader',
  async (trx, { actor, at, ...which }) =>
    endSessions(trx, actor.id, { reason: 'logout', at, only: which.only, except: which.except })
)

/** Ends another session of the caller's. Throws `SESSION_NOT_FOUND`. */
export const revokeSession = userCommand<{ sessionId: string }, void>(
  'revokeSession',
  'reader',
  async (trx, { actor, at, sessionId }) => {
    const count = await endSessions(trx, actor.id, { reason: 'revoked', at, only: sessionId })
    if (count === 0) throw new Problem('SESSION_NOT_FOUND', [sessionId])
  }
)

/** Ends the sessions of a user, or the one that is named. Throws `USER_NOT_FOUND` or `SESSION_NOT_FOUND`. */
export const endSessionsOfUser = adminCommand<{ userId: string; only?: string }, void>(
  'endSessionsOfUser',
  async (trx, { userId, only, ...by }) => {
    await getUser(trx, userId)
    const count = await endSessions(trx, userId, { reason: 'ended_by_admin', at: by.at, only })
    if (count > 0) await logAccountAction(trx, userId, 'sessions_ended', by)
    else if (only !== undefined) throw new Problem('SESSION_NOT_FOUND', [only])
  }
)
