import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { revokeSession } from '../../../db/commands/sessions.ts'
import { listSessions } from '../../../db/sessions.ts'
import { AccessTokenOnly, InvalidCursor, SessionNotFound } from '../../../schemas/errors.ts'
import { PageQuery } from '../../../schemas/pages.ts'
import { answer, emptyAnswer } from '../../../schemas/ref.ts'
import { SessionPage, SessionParams } from '../../../schemas/sessions.ts'

const sessions: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.refuseApiKeys)

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listMySessions',
      tags: ['account'],
      summary: 'List my sessions, newest first, with why they ended',
      description:
        'For every user with an access token. Shows where you are logged in and why sessions have ended, so that you can end one that is not yours.',
      querystring: PageQuery,
      response: { 200: answer('A page of sessions.', SessionPage, ['Link']) }
    },
    config: { errors: [AccessTokenOnly, InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      const { id, sessionId } = request.user
      const [before] = request.pageStart() ?? []
      const rows = await listSessions(db, id, { limit: limit + 1, before })
      return reply.page(
        rows.map((row) => ({ ...row, current: row.id === sessionId })),
        limit
      )
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:id',
    schema: {
      operationId: 'endMySession',
      tags: ['account'],
      summary: 'End one of my sessions',
      description:
        'For every user with an access token. Its access token and its refresh token are refused from the next request on.',
      params: SessionParams,
      response: { 204: emptyAnswer('Ended; its tokens fail from the next request on.') }
    },
    config: { errors: [AccessTokenOnly, SessionNotFound] },
    handler: async (request, reply) => {
      const { id } = request.params
      await fastify.run(request.user, revokeSession, { sessionId: id })
      request.log.info(
        { event: 'session_revoked', user_id: request.user.id, session_id: id },
        'session revoked'
      )
      return reply.code(204).send(null)
    }
  })
}

export default sessions
