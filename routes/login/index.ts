import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CredentialsRequired, InvalidCredentials, TooBusy } from '../../schemas/errors.ts'
import { answer } from '../../schemas/ref.ts'
import { TokenResponse } from '../../schemas/tokens.ts'

const login: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.route({
    method: 'POST',
    url: '',
    onRequest: fastify.basicAuth,
    schema: {
      operationId: 'login',
      tags: ['account'],
      summary: 'Log in with HTTP Basic and get an access token',
      security: [{ basic: [] }],
      response: { 200: answer('Logged in.', TokenResponse, ['Cache-Control']) }
    },
    config: { errors: [CredentialsRequired, InvalidCredentials, TooBusy] },
    handler: async (request, reply) => {
      reply.cacheControl('no-store')
      return {
        access_token: fastify.accessTokens.issue(request.user.id),
        token_type: 'Bearer' as const,
        expires_in: fastify.config.ACCESS_TOKEN_TTL
      }
    }
  })
}

export default login
