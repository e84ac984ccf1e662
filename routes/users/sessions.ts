import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { endSessionsOfUser } from '../../db/commands/sessions.ts'
import { listSessions } from '../../db/sessions.ts'
import {
  AccessTokenOnly,
  InvalidCursor,
  RoleRequired,
  SessionNotFound,
  UserNotFound
} from '../../schemas/errors.ts'
import { PageQuery } from '../../schemas/pages.ts'
import { answer, emptyAnswer } from '../../schemas/ref.ts'
import { SessionPage } from '../../schemas/sessions.ts'
import { UserParams, UserSessionParams } from '../../schemas/users.ts'
import { getUser, note } from './one-user.ts'

const REFUSALS = [RoleRequired, AccessTokenOnly, UserNotFound]

/** The sessions of a user, in the hands of an admin. */
const sessions: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify
  fastify.addHook('onRequest', fastify.administer)

  fastify.route({
    method: 'GET',
    url: '/:id/sessions',
    schema: {
      operationId: 'listUserSessions',
      tags: ['users'],
      summary: 'List a user’s sessions, newest first, as an admin',
      description:
        'For admins with an access token. Shows where the user is logged in and why sessions have ended.',
      params: UserParams,
      querystring: PageQuery,
      response: { 200: answer('A page of sessions.', SessionPage, ['Link']) }
    },
    config: { errors: [...REFUSALS, InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      const { id } = await getUser(db, request.params.id)
      const [before] = request.pageStart() ?? []
      const sessions = await listSessions(db, id, { limit: limit + 1, before })
      note(request, { event: 'user_sessions_listed', user_id: id })
      return reply.page(
        sessions.map((session) => ({ ...session, current: session.id === request.user.sessionId })),
        limit
      )
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:id/sessions',
    schema: {
      operationId: 'endUserSessions',
      tags: ['users'],
      summary: 'Log a user out everywhere, as an admin',
      description:
        'For admins with an access token. Ends all sessions of the user, who can log in again; API keys stay good.',
      params: UserParams,
      response: { 204: emptyAnswer('Ended; their tokens fail from the next request on.') }
    },
    config: { errors: REFUSALS },
    handler: async (request, reply) => {
      const { id } = request.params
      await fastify.run(request.user, endSessionsOfUser, { userId: id })
      note(request, { event: 'user_sessions_ended', user_id: id })
      return reply.code(204).send(null)
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:id/sessions/:session',
    schema: {
      operationId: 'endUserSession',
      tags: ['users'],
      summary: 'End one of a user’s sessions, as an admin',
      description:
        'For admins with an access token. Its access token and its refresh token are refused from the next request on.',
      params: UserSessionParams,
      response: { 204: emptyAnswer('Ended; its tokens fail from the next request on.') }
    },
    config: { errors: [...REFUSALS, SessionNotFound] },
    handler: async (request, reply) => {
      const { id, session } = request.params
      await fastify.run(request.user, endSessionsOfUser, { userId: id, only: session })
      note(request, { event: 'user_sessions_ended', user_id: id, session_id: session })
      return reply.code(204).send(null)
    }
  })
}

export default sessions
