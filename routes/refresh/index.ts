import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { InvalidRefreshToken, TooManyRequests } from '../../schemas/errors.ts'
import { answer, LIMITED, Ref } from '../../schemas/ref.ts'
import { Refresh, TokenResponse } from '../../schemas/tokens.ts'

const refresh: FastifyPluginAsyncTypebox = async (fastify) => {
  const { rateLimits, sessions } = fastify

  fastify.route({
    method: 'POST',
    url: '',
    schema: {
      operationId: 'refresh',
      tags: ['account'],
      summary: 'Exchange a refresh token for the next pair of tokens',
      description:
        'Anyone with a refresh token. Each can be used once; when a spent one is used again, its session ends.',
      security: [],
      body: Ref(Refresh),
      response: {
        200: answer('The next pair; the token that was sent is spent.', TokenResponse, [
          'Cache-Control',
          ...LIMITED
        ])
      }
    },
    config: { errors: [InvalidRefreshToken, TooManyRequests] },
    handler: async (request, reply) => {
      reply.rateLimit(await rateLimits.refresh.consume(request.clientAddress)).cacheControl('no-store')
      return sessions.refresh(request.body.refresh_token, request.log)
    }
  })
}

export default refresh
