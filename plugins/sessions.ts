import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Db } from '../db/database.ts'
import {
  endSessions,
  findSessionToRefresh,
  insertSession,
  rotateSession,
  type SessionsTable
} from '../db/sessions.ts'
import { InvalidCredentials, InvalidRefreshToken } from '../schemas/errors.ts'

/** A successful token response (RFC 6749 section 5.1). */
export interface TokenPair {
  access_token: string
  token_type: 'Bearer'
  expires_in: number
  refresh_token: string
}

export interface Sessions {
  /** Opens a session and gives its first pair of tokens. Throws `InvalidCredentials` when the password has just changed, or the user gone. */
  open(user: { id: string; passwordHash?: string }, userAgent: string | undefined): Promise<TokenPair>
  /**
   * The next pair. The token of the last refresh gives the same answer again for 30 seconds, for clients that lost it or
   * refresh twice at once; any older one ends the session (RFC 9700 section 4.14). Throws `InvalidRefreshToken`.
   */
  refresh(refreshToken: string): Promise<TokenPair>
}

declare module 'fastify' {
  interface FastifyInstance {
    sessions: Sessions
  }
}

const GRACE_MS = 30_000
const FORGET_ENDED_AFTER_MS = 30 * 86_400_000
const USER_AGENT_LENGTH = 300
const REFRESH_TOKEN = /^lrt_([0-9a-f-]{36})\.([\w-]{22})\.([\w-]{43})$/

type Outcome = { sub: string; sid: string; secret: string; at: string; family: string } | 'reused' | undefined

/**
 * `fastify.sessions`. A refresh token is `lrt_<session>.<family>.<secret>`: 128 random bits that stay, and 256 that
 * change with each refresh. The database keeps hashes, and the salt with which the secret before leads to the next.
 */
async function sessionsPlugin(fastify: FastifyInstance) {
  const { db, config, accessTokens } = fastify

  function inFuture(seconds: number): string {
    return new Date(Date.now() + seconds * 1000).toISOString()
  }

  function pair({ sub, sid, secret, at, family }: Exclude<Outcome, 'reused' | undefined>): TokenPair {
    return {
      access_token: accessTokens.issue({
        sub,
        sid,
        jti: hash(secret).slice(0, 22),
        iat: Math.floor(Date.parse(at) / 1000)
      }),
      token_type: 'Bearer',
      expires_in: config.ACCESS_TOKEN_TTL,
      refresh_token: `lrt_${sid}.${family}.${secret}`
    }
  }

  async function open(
    { id: userId, passwordHash = '' }: { id: string; passwordHash?: string },
    userAgent?: string
  ) {
    const family = randomBytes(16).toString('base64url')
    const secret = randomBytes(32).toString('base64url')
    const session = {
      userId,
      passwordHash,
      userAgent: userAgent?.slice(0, USER_AGENT_LENGTH) ?? null,
      familyHash: hash(family),
      refreshHash: hash(secret),
      idleExpiresAt: inFuture(config.SESSION_IDLE_TTL),
      expiresAt: inFuture(config.SESSION_TTL)
    }
    const forgetBefore = new Date(Date.now() - FORGET_ENDED_AFTER_MS).toISOString()
    const sid = await insertSession(db, session, forgetBefore)
    if (sid === undefined) throw new InvalidCredentials()
    return pair({ sub: userId, sid, secret, at: new Date().toISOString(), family })
  }

  async function exchange(trx: Db, sid: string, family: string, secret: string): Promise<Outcome> {
    const session = await findSessionToRefresh(trx, sid)
    if (session === undefined || !isHashOf(session.family_hash, family)) return undefined
    const rotation = rotationOf(session, secret)
    if (rotation === undefined) {
      await endSessions(trx, session.user_id, 'token_reused', { only: sid })
      fastify.log.warn(
        { event: 'refresh_token_reused', user_id: session.user_id, session_id: sid },
        'refresh token reused'
      )
      return 'reused'
    }
    if (rotation.isNew) {
      await rotateSession(trx, sid, {
        refreshHash: hash(rotation.secret),
        previousHash: hash(secret),
        salt: rotation.salt,
        at: rotation.at,
        idleExpiresAt: inFuture(config.SESSION_IDLE_TTL)
      })
    }
    return { sub: session.user_id, sid, secret: rotation.secret, at: rotation.at, family }
  }

  async function refresh(refreshToken: string): Promise<TokenPair> {
    const [, sid, family, secret] = REFRESH_TOKEN.exec(refreshToken) ?? []
    if (sid === undefined || family === undefined || secret === undefined) throw new InvalidRefreshToken()
    const outcome = await db.transaction().execute((trx) => exchange(trx, sid, family, secret))
    if (outcome === undefined || outcome === 'reused') throw new InvalidRefreshToken()
    return pair(outcome)
  }

  fastify.decorate('sessions', { open, refresh })
}

/** The secret that follows this one: made anew for the newest, the same again for the one before it; none for a spent one. */
function rotationOf(session: SessionsTable, secret: string) {
  if (isHashOf(session.refresh_hash, secret)) {
    const salt = randomBytes(16).toString('base64url')
    return { isNew: true, salt, secret: derive(secret, salt), at: new Date().toISOString() }
  }
  const { previous_hash, rotation_salt: salt, rotated_at: at } = session
  const isRepeated = previous_hash !== null && isHashOf(previous_hash, secret)
  if (!isRepeated || salt === null || at === null || Date.now() - Date.parse(at) > GRACE_MS) return undefined
  return { isNew: false, salt, secret: derive(secret, salt), at }
}

function derive(secret: string, salt: string): string {
  return createHmac('sha256', secret).update(salt).digest('base64url')
}

function hash(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

function isHashOf(expected: string, secret: string): boolean {
  return timingSafeEqual(Buffer.from(expected), Buffer.from(hash(secret)))
}

export default fp(sessionsPlugin, { name: 'sessions', dependencies: ['database', 'access-tokens'] })
