import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CredentialsRequired, InvalidCredentials, TooBusy, TooManyRequests } from '../../schemas/errors.ts'
import { answer, LIMITED } from '../../schemas/ref.ts'
import { TokenResponse } from '../../schemas/tokens.ts'

const login: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.route({
    method: 'POST',
    url: '',
    onRequest: fastify.basicAuth,
    schema: {
      operationId: 'login',
      tags: ['account'],
      summary: 'Log in with HTTP Basic and get a pair of tokens',
      description:
        'For registered users who are not disabled. The access token goes with every other request; the refresh token gets the next pair. Failed attempts are limited.',
      security: [{ basic: [] }],
      response: { 200: answer('Logged in.', TokenResponse, ['Cache-Control', ...LIMITED]) }
    },
    config: { errors: [CredentialsRequired, InvalidCredentials, TooManyRequests, TooBusy] },
    handler: async (request, reply) => {
      reply.cacheControl('no-store')
      return fastify.sessions.open(request.user, request.headers['user-agent'])
    }
  })
}

export default login
