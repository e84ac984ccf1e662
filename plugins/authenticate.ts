import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { findApiKeyUser, type KeyScope, touchApiKey } from '../db/api-keys.ts'
import { findBearer } from '../db/bearers.ts'
import type { Db } from '../db/database.ts'
import { findSessionUser } from '../db/sessions.ts'
import type { Role } from '../db/users.ts'
import {
  AccessTokenOnly,
  InsufficientScope,
  InvalidToken,
  RoleRequired,
  TokenRequired
} from '../schemas/errors.ts'
import type { AccessTokenClaims } from '../schemas/tokens.ts'

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>
type CallbackHook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * An `onRequest` hook that lets only the bearers of a good access token or API key pass (RFC 6750) and sets
     * `request.user`. What it answers is for this bearer alone and must be asked for again. A resource is protected by the one line `fastify.addHook('onRequest', fastify.authenticate)`.
     * Throws `TokenRequired`, `InvalidToken`, or `InsufficientScope` when a key that may only read would write.
     */
    authenticate: CallbackHook
    /**
     * Looks again, first thing in the transaction of a write, whether the credential is still good and its user has the
     * role: while the body came in, or a password was hashed, it may have ended. Throws `InvalidToken` or `RoleRequired`.
     */
    recheck(trx: Db, user: FastifyRequest['user'], role?: Role): Promise<void>
    /** An `onRequest` hook after `authenticate` for the account itself: it refuses API keys, and nothing is to be stored. Throws `AccessTokenOnly`. */
    refuseApiKeys: Hook
    /** Makes an `onRequest` hook after `authenticate` that asks for this role or a higher one. It throws `RoleRequired`. */
    requireRole(role: Role): CallbackHook
  }
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: {
      id: string
      role: Role
      /** The session of the access token; undefined with an API key. */
      sessionId?: string
      /** The hash that the password was checked against; with HTTP Basic only. */
      passwordHash?: string
      /** The hash of the API key; undefined with an access token. */
      keyHash?: string
    }
  }
}

const BEARER = /^bearer(?: +([\w.~+/-]+=*))? *$/i
const READING = new Set(['GET', 'HEAD'])
const ROLES: Role[] = ['reader', 'editor', 'admin']

/** Who a session was found to be, which is so while nothing in the database has changed, and it has not expired. */
interface Finding {
  user: FastifyRequest['user']
  dataVersion: number
  /** In ms since 1970. */
  until: number
}

/** `fastify.authenticate` and what builds on it: tokens come from the Authorization header alone, never from the URL or the body. */
async function authenticatePlugin(fastify: FastifyInstance) {
  const { db, accessTokens, apiKeys } = fastify

  const findings = new WeakMap<AccessTokenClaims, Finding>()

  /** The user if it was found before, and nothing has changed since. */
  function knownUser(claims: AccessTokenClaims, dataVersion: number): FastifyRequest['user'] | undefined {
    const finding = findings.get(claims)
    const isStillSo =
      finding !== undefined && finding.dataVersion === dataVersion && finding.until > Date.now()
    return isStillSo ? finding.user : undefined
  }

  async function findUser(claims: AccessTokenClaims, dataVersion: number) {
    const { sub, sid } = claims
    const found = await findSessionUser(db, sid)
    if (found?.id !== sub) throw new InvalidToken()
    const user = Object.freeze({ id: found.id, role: found.role, sessionId: sid })
    findings.set(claims, { user, dataVersion, until: Date.parse(found.until) })
    return user
  }

  async function userOfKey(token: string, method: string) {
    const hash = apiKeys.hash(token)
    const user = hash === undefined ? undefined : await findApiKeyUser(db, hash)
    if (user === undefined || hash === undefined) throw new InvalidToken()
    // A note of the use, which must not keep a read waiting for a write.
    touchApiKey(db, user).catch((err) => fastify.log.debug({ err }, 'the use of an API key was not noted'))
    if (!mayUse(user.scope, method)) throw new InsufficientScope()
    // A script never needs what only an admin may do.
    return { id: user.id, role: user.role === 'admin' ? ('editor' as const) : user.role, keyHash: hash }
  }

  /** The bearer, at once where that needs no look at the database. */
  function bearerOf(request: FastifyRequest): FastifyRequest['user'] | Promise<FastifyRequest['user']> {
    const token = bearerToken(request.headers.authorization)
    if (apiKeys.isKey(token)) return userOfKey(token, request.method)
    const claims = accessTokens.verify(token)
    // Before the look, or else a change in between would go unnoticed.
    const dataVersion = request.dataVersion()
    return knownUser(claims, dataVersion) ?? findUser(claims, dataVersion)
  }

  fastify.decorate('authenticate', function authenticate(request, reply, done) {
    reply.header('cache-control', 'private, no-cache')
    // Of several fields one list is made, which takes longer.
    if (reply.hasHeader('vary')) reply.vary('Authorization')
    else reply.header('vary', 'Authorization')
    let bearer: ReturnType<typeof bearerOf>
    try {
      bearer = bearerOf(request)
    } catch (error) {
      return done(error as Error)
    }
    // Nothing is returned, for Fastify would take a promise for the end of the hook too.
    if (bearer instanceof Promise) bearer.then((user) => pass(request, user, done), done)
    else pass(request, bearer, done)
  })
  fastify.decorate('refuseApiKeys', async function refuseApiKeys(request, reply) {
    reply.header('cache-control', 'no-store')
    if (request.user.sessionId === undefined) throw new AccessTokenOnly()
  })
  fastify.decorate('recheck', async (trx, credential, role = 'reader') => {
    const user = await findBearer(trx, credential)
    if (user?.id !== credential.id) throw new InvalidToken()
    if (!hasRole(user, role)) throw new RoleRequired(role)
  })
  fastify.decorate(
    'requireRole',
    (role) =>
      function requireRole(request, _reply, done) {
        done(hasRole(request.user, role) ? undefined : new RoleRequired(role))
      }
  )
}

function pass(request: FastifyRequest, user: FastifyRequest['user'], done: () => void): void {
  request.user = user
  done()
}

function hasRole(user: { role: Role }, role: Role): boolean {
  return ROLES.indexOf(user.role) >= ROLES.indexOf(role)
}

function mayUse(scope: KeyScope, method: string): boolean {
  return scope === 'write' || READING.has(method)
}

function bearerToken(authorization = ''): string {
  const token = BEARER.exec(authorization)?.[1]
  if (token !== undefined) return token
  throw /^bearer\b/i.test(authorization) ? new InvalidToken() : new TokenRequired()
}

export default fp(authenticatePlugin, {
  name: 'authenticate',
  dependencies: ['access-tokens', 'api-keys', 'database', 'sensible']
})
