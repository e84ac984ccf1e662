import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { logOut } from '../../db/commands/sessions.ts'
import { AccessTokenOnly } from '../../schemas/errors.ts'
import { emptyAnswer } from '../../schemas/ref.ts'
import { LogoutQuery } from '../../schemas/tokens.ts'

const logout: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.refuseApiKeys)

  fastify.route({
    method: 'POST',
    url: '',
    schema: {
      operationId: 'logout',
      tags: ['account'],
      summary: 'End this session, all of my sessions, or all others',
      description:
        'For every user with an access token. Access tokens and refresh tokens of the ended sessions are refused from the next request on; API keys stay.',
      querystring: LogoutQuery,
      response: { 204: emptyAnswer('Ended; their tokens fail from the next request on.') }
    },
    config: { errors: [AccessTokenOnly] },
    handler: async (request, reply) => {
      const { id, sessionId = '' } = request.user
      const { scope = 'this' } = request.query
      const which = { this: { only: sessionId }, others: { except: sessionId }, all: {} }[scope]
      const count = await fastify.run(request.user, logOut, which)
      request.log.info({ event: 'logout', user_id: id, scope, count }, 'logged out')
      return reply.code(204).send(null)
    }
  })
}

export default logout
