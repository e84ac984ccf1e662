import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { findApiKeyUser, findExpiryOfKey, isStaleUse, type KeyScope } from '../db/api-keys.ts'
import { findBearer } from '../db/bearers.ts'
import { CLOCK_LEEWAY_MS } from '../db/clock.ts'
import { touchApiKey } from '../db/commands/api-keys.ts'
import { findSessionUser } from '../db/sessions.ts'
import { hasRole, type Role } from '../db/users.ts'
import {
  AccessTokenOnly,
  expired,
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
    /** Whether the credential of this user is still good; for an answer that goes on for long. A command finds out by itself. */
    isStillAllowed(user: FastifyRequest['user']): Promise<boolean>
    /** An `onRequest` hook after `authenticate` for the account itself: it refuses API keys, and nothing is to be stored. Throws `AccessTokenOnly`. */
    refuseApiKeys: Hook
    /** A hook after `authenticate` for what only admins do, and no API key. Throws `AccessTokenOnly` or `RoleRequired`. */
    administer: Hook
    /** People may see each other's names, scripts need none. Throws `AccessTokenOnly` for an API key. */
    refuseKeyForNames(request: FastifyRequest): void
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

type User = FastifyRequest['user']

/** Who a session was found to be, which is so until something of that user changes, or it expires. */
interface Finding {
  user: FastifyRequest['user']
  /** The last change of any account that was known before. */
  sequence: number
  /** In ms since 1970; a clock that is set back can come before it. */
  since: number
  until: number
}

/** `fastify.authenticate` and what builds on it: tokens come from the Authorization header alone, never from the URL or the body. */
async function authenticatePlugin(fastify: FastifyInstance) {
  const { db, accessTokens, apiKeys, dataChanges } = fastify

  const findings = new WeakMap<AccessTokenClaims, Finding>()

  /** The user if it was found before, and nothing of theirs has changed since. */
  function knownUser(claims: AccessTokenClaims): FastifyRequest['user'] | undefined {
    const finding = findings.get(claims)
    if (finding === undefined || !isWithin(finding, Date.now())) return undefined
    const { user, sequence } = finding
    return dataChanges.hasAccountChangedSince(user.id, sequence) ? undefined : user
  }

  async function findUser(claims: AccessTokenClaims) {
    const { sub, sid } = claims
    // Before the look, so that a change meanwhile counts as one since.
    const sequence = dataChanges.known.accounts
    const found = await findSessionUser(db, sid)
    if (found?.id !== sub) throw new InvalidToken()
    const user = Object.freeze({ id: found.id, role: found.role, sessionId: sid })
    findings.set(claims, { user, sequence, since: Date.parse(found.since), until: Date.parse(found.until) })
    return user
  }

  async function userOfKey(token: string, method: string) {
    const hash = apiKeys.hash(token)
    const user = hash === undefined ? undefined : await findApiKeyUser(db, hash)
    if (user === undefined || hash === undefined) throw await whyNoKey(hash)
    // A note of the use, which must not keep a read waiting for a write.
    noteUse(user).catch((err) => fastify.log.debug({ err }, 'the use of an API key was not noted'))
    if (!mayUse(user.scope, method)) throw new InsufficientScope()
    // A script never needs what only an admin may do.
    return { id: user.id, role: user.role === 'admin' ? ('editor' as const) : user.role, keyHash: hash }
  }

  async function whyNoKey(hash: string | undefined): Promise<Error> {
    const expiry = hash === undefined ? undefined : await findExpiryOfKey(db, hash)
    return expiry === undefined ? new InvalidToken() : expired('API key', expiry)
  }

  async function noteUse(key: { key_id: string; last_used_at: string | null }): Promise<void> {
    if (!isStaleUse(key.last_used_at, new Date().toISOString())) return
    await fastify.run('service', touchApiKey, { keyId: key.key_id })
  }

  /** What `find` gives once it is known what has changed. */
  function afterChanges(find: () => User | Promise<User>): User | Promise<User> {
    const looking = dataChanges.catchUp()
    return looking === undefined ? find() : looking.then(find)
  }

  function userOf(claims: AccessTokenClaims): User | Promise<User> {
    return afterChanges(() => knownUser(claims) ?? findUser(claims))
  }

  /** The bearer, at once where that needs no look at the database. */
  function bearerOf({ headers, method }: FastifyRequest): User | Promise<User> {
    const token = bearerToken(headers.authorization)
    if (apiKeys.isKey(token)) return afterChanges(() => userOfKey(token, method))
    const claims = accessTokens.verify(token)
    return claims instanceof Promise ? claims.then(userOf) : userOf(claims)
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
  fastify.decorate('administer', async function administer(request, reply) {
    await fastify.refuseApiKeys(request, reply)
    if (!hasRole(request.user, 'admin')) throw new RoleRequired('admin')
  })
  fastify.decorate('refuseKeyForNames', ({ user }) => {
    if (user.sessionId === undefined) throw new AccessTokenOnly()
  })
  fastify.decorate('isStillAllowed', async (user) => (await findBearer(db, user))?.id === user.id)
  fastify.decorate(
    'requireRole',
    (role) =>
      function requireRole(request, _reply, done) {
        done(hasRole(request.user, role) ? undefined : new RoleRequired(role))
      }
  )
}

function isWithin({ since, until }: Finding, now: number): boolean {
  return since <= now + CLOCK_LEEWAY_MS && until > now
}

function pass(request: FastifyRequest, user: FastifyRequest['user'], done: () => void): void {
  request.user = user
  done()
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
  dependencies: ['access-tokens', 'api-keys', 'data-changes', 'database', 'sensible']
})
