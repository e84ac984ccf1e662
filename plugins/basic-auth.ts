import { isUtf8 } from 'node:buffer'
import basicAuth from '@fastify/basic-auth'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { renewPasswordHash } from '../db/commands/users.ts'
import { findCredentials, findCredentialsById } from '../db/users.ts'
import { CredentialsRequired, InvalidCredentials, TooManyRequests } from '../schemas/errors.ts'

/**
 * `fastify.basicAuth`: an `onRequest` hook that checks username and password (RFC 7617, UTF-8) and sets `request.user`.
 * Throws `CredentialsRequired`, `InvalidCredentials`, `TooManyRequests` or `TooBusy`; known and unknown users cost the same work and count alike.
 */
async function basicAuthPlugin(fastify: FastifyInstance) {
  const { db, passwords, rateLimits } = fastify
  const logins = fastify.metrics.countBy(
    {
      name: 'library_logins_total',
      help: 'Logins with a password; those that a limit refused were not tried.'
    },
    'outcome',
    ['succeeded', 'failed', 'limited']
  )

  /** Throws what the limit does. */
  async function limited<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (error instanceof TooManyRequests) logins.limited.add()
      throw error
    }
  }

  async function validate(username: string, password: string, request: FastifyRequest, reply: FastifyReply) {
    if (!isWellFormed(request.headers.authorization as string)) throw new CredentialsRequired()
    await limited(rateLimits.login.check(username, request.clientAddress))
    const user = await findCredentials(db, username)
    const matches = await passwords.verify(user?.password_hash, password)
    if (user === undefined || user.disabled_at !== null || !matches) {
      logins.failed.add()
      request.log.info(
        { event: 'login_failed', user_id: user?.id, address: request.clientAddress },
        'login failed'
      )
      reply.rateLimit(await rateLimits.login.failed(username, request.clientAddress))
      throw new InvalidCredentials()
    }
    reply.rateLimit(await limited(rateLimits.login.succeeded(username, request.clientAddress)))
    logins.succeeded.add()
    const passwordHash = await renewedHash(user, password, request)
    request.log.info(
      { event: 'login_succeeded', user_id: user.id, address: request.clientAddress },
      'logged in'
    )
    request.user = { id: user.id, role: user.role, passwordHash }
  }

  /** Only now is the password known. It is no reason to refuse the login when the hash cannot be renewed. */
  async function renewedHash(
    user: { id: string; password_hash: string },
    password: string,
    request: FastifyRequest
  ): Promise<string> {
    if (!passwords.needsRehash(user.password_hash)) return user.password_hash
    try {
      const newHash = await passwords.hash(password)
      const renewal = { userId: user.id, currentHash: user.password_hash, newHash }
      if (await fastify.run('service', renewPasswordHash, renewal)) return newHash
      return await hashAsItIs(user, password)
    } catch (error) {
      request.log.warn({ err: error }, 'a password hash was not renewed')
    }
    return user.password_hash
  }

  /** Another login may have renewed the hash first; after a change of the password the old one is of no use. */
  async function hashAsItIs(user: { id: string; password_hash: string }, password: string): Promise<string> {
    const current = await findCredentialsById(db, user.id)
    const matches = await passwords.verify(current?.password_hash, password)
    return current !== undefined && matches ? current.password_hash : user.password_hash
  }

  await fastify.register(basicAuth, { validate, authenticate: false })
}

/**
 * Whether it is "Basic" and base64 of UTF-8, with or without padding, also in base64url; the decoders of Node pass over
 * what is not base64, and put U+FFFD for what is not UTF-8.
 */
function isWellFormed(authorization: string): boolean {
  const encoded = authorization.slice('Basic '.length)
  const bytes = Buffer.from(encoded, 'base64')
  const base64url = encoded
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/={1,2}$/, '')
  return isUtf8(bytes) && bytes.toString('base64url') === base64url
}

export default fp(basicAuthPlugin, {
  name: 'basic-auth',
  dependencies: ['client-address', 'database', 'metrics', 'passwords', 'rate-limits', 'access-tokens']
})
