import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { userExists } from '../db/users.ts'
import { InvalidToken, TokenRequired } from '../schemas/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * An `onRequest` hook that lets only the bearers of a good token pass (RFC 6750) and sets `request.user`.
     * A resource is protected by the one line `fastify.addHook('onRequest', fastify.authenticate)`.
     * Throws `TokenRequired` or `InvalidToken`.
     */
    authenticate(request: FastifyRequest): Promise<void>
  }
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    user: { id: string }
  }
}

const BEARER = /^bearer(?: +([\w.~+/-]+=*))? *$/i

/** `fastify.authenticate`: tokens come from the Authorization header alone, never from the URL or the body. */
async function authenticatePlugin(fastify: FastifyInstance) {
  fastify.decorate('authenticate', async function authenticate(request) {
    const { sub } = fastify.accessTokens.verify(bearerToken(request.headers.authorization))
    if (!(await userExists(fastify.db, sub))) throw new InvalidToken()
    request.user = { id: sub }
  })
}

function bearerToken(authorization = ''): string {
  if (!/^bearer\b/i.test(authorization)) throw new TokenRequired()
  const token = BEARER.exec(authorization)?.[1]
  if (token === undefined) throw new InvalidToken()
  return token
}

export default fp(authenticatePlugin, { name: 'authenticate', dependencies: ['access-tokens', 'database'] })
