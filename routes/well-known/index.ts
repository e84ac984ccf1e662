import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { JsonWebKeySet } from '../../schemas/keys.ts'
import { answer } from '../../schemas/ref.ts'

/** The folder is not named so, for the type check passes over names that begin with a dot. */
export const autoPrefix = '/.well-known'

/** Shorter than the time for which a new key is announced, so that a client never meets a key that it has not seen. */
const MAX_AGE = 60

/** What other services need to verify our tokens by themselves. */
const wellKnown: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.route({
    method: 'GET',
    url: '/jwks.json',
    schema: {
      operationId: 'getJwks',
      tags: ['service'],
      summary: 'Get the public keys that verify access tokens',
      description:
        'Anyone may ask. A JWK set (RFC 7517). A new key is listed before it signs for the first time, ' +
        'and stays until the last token that it signed has expired.',
      security: [],
      response: { 200: answer('All keys that are or will soon be in use.', JsonWebKeySet, ['Cache-Control']) }
    },
    handler: async (_request, reply) => {
      reply.cacheControl('public').cacheControl('max-age', MAX_AGE)
      return fastify.signingKeys.published()
    }
  })
}

export default wellKnown
