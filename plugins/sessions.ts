import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { openSession, refreshSession } from '../db/commands/sessions.ts'
import { InvalidRefreshToken } from '../schemas/errors.ts'

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
   * refresh twice at once; any older one ends the session (RFC 9700 section 4.14). `log` is the request's. Throws `InvalidRefreshToken`.
   */
  refresh(refreshToken: string, log: FastifyBaseLogger): Promise<TokenPair>
}

declare module 'fastify' {
  interface FastifyInstance {
    sessions: Sessions
  }
}

const USER_AGENT_LENGTH = 300
const REFRESH_TOKEN = /^lrt_([0-9a-f-]{36})\.([\w-]{22})\.([\w-]{43})$/

/** The newest refresh token of a session, and when it came. */
interface Issue {
  userId: string
  sessionId: string
  family: string
  secret: string
  at: string
}

/**
 * `fastify.sessions`. A refresh token is `lrt_<session>.<family>.<secret>`: 128 random bits that stay, and 256 that
 * change with each refresh. The database keeps hashes, and the salt with which the secret before leads to the next.
 */
async function sessionsPlugin(fastify: FastifyInstance) {
  const { config, accessTokens } = fastify

  function inFuture(seconds: number): string {
    return new Date(Date.now() + seconds * 1000).toISOString()
  }

  function pair({ userId, sessionId, family, secret, at }: Issue): TokenPair {
    return {
      access_token: accessTokens.issue({
        sub: userId,
        sid: sessionId,
        jti: hash(secret).slice(0, 22),
        iat: Math.floor(Date.parse(at) / 1000)
      }),
      token_type: 'Bearer',
      expires_in: config.ACCESS_TOKEN_TTL,
      refresh_token: `lrt_${sessionId}.${family}.${secret}`
    }
  }

  async function open(
    { id: userId, passwordHash = '' }: { id: string; passwordHash?: string },
    userAgent?: string
  ) {
    const family = random(16)
    const secret = random(32)
    const opened = await fastify.run('service', openSession, {
      userId,
      passwordHash,
      userAgent: userAgent?.slice(0, USER_AGENT_LENGTH) ?? null,
      familyHash: hash(family),
      refreshHash: hash(secret),
      idleExpiresAt: inFuture(config.SESSION_IDLE_TTL),
      expiresAt: inFuture(config.SESSION_TTL)
    })
    return pair({ userId, ...opened, family, secret })
  }

  async function refresh(refreshToken: string, log: FastifyBaseLogger): Promise<TokenPair> {
    const [, sessionId, family, secret] = REFRESH_TOKEN.exec(refreshToken) ?? []
    if (sessionId === undefined || family === undefined || secret === undefined)
      throw new InvalidRefreshToken()
    const salt = random(16)
    const refreshed = await fastify.run('service', refreshSession, {
      sessionId,
      familyHash: hash(family),
      secretHash: hash(secret),
      salt,
      nextHash: hash(nextSecret(secret, salt)),
      idleExpiresAt: inFuture(config.SESSION_IDLE_TTL)
    })
    if (refreshed.outcome === 'reused') {
      log.warn(
        { event: 'refresh_token_reused', user_id: refreshed.userId, session_id: sessionId },
        'refresh token reused'
      )
    }
    if (refreshed.outcome !== 'rotated') throw new InvalidRefreshToken()
    const { userId, at } = refreshed
    log.info({ event: 'token_refreshed', user_id: userId, session_id: sessionId }, 'token refreshed')
    return pair({ userId, sessionId, family, secret: nextSecret(secret, refreshed.salt), at })
  }

  fastify.decorate('sessions', { open, refresh })
}

function random(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

/** The secret that follows this one: the same again for the same salt. */
function nextSecret(secret: string, salt: string): string {
  return createHmac('sha256', secret).update(salt).digest('base64url')
}

function hash(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

export default fp(sessionsPlugin, { name: 'sessions', dependencies: ['database', 'access-tokens'] })
