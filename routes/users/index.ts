import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from '@sinclair/typebox'
import { deleteUser } from '../../db/commands/account-deletions.ts'
import { changeUser } from '../../db/commands/users.ts'
import { listUsers } from '../../db/finding-users.ts'
import {
  AccessTokenOnly,
  InvalidCursor,
  LastAdmin,
  RoleRequired,
  UserNotFound
} from '../../schemas/errors.ts'
import { answer, bodyAs, emptyAnswer } from '../../schemas/ref.ts'
import { ChangeUser, User, UserPage, UserParams, UserSearch } from '../../schemas/users.ts'
import creating from './creating.ts'
import history from './history.ts'
import keys from './keys.ts'
import { getUser, note } from './one-user.ts'
import resets from './resets.ts'
import sessions from './sessions.ts'

const users: FastifyPluginAsyncTypebox = async (fastify) => {
  const { administer } = fastify
  fastify.addHook('onRequest', fastify.authenticate)
  for (const part of [creating, history, resets, sessions, keys]) await fastify.register(part)

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listUsers',
      tags: ['users'],
      summary: 'List the users, newest first',
      description:
        'For every user. Follow `next` from page to page until it is null. To look for users by `q`, `role` or `disabled` is for admins with an access token.',
      querystring: UserSearch,
      response: { 200: answer('A page of users.', UserPage, ['Link']) }
    },
    config: { errors: [InvalidCursor, RoleRequired, AccessTokenOnly] },
    preHandler: async (request, reply) => {
      if (isSearch(request.query)) await administer(request, reply)
    },
    handler: async (request, reply) => {
      const { limit = 20, q: beginning, role, disabled } = request.query
      const [before] = request.pageStart() ?? []
      const bounds = { limit: limit + 1, before }
      const users = await listUsers(fastify.db, bounds, { beginning, role, disabled })
      if (isSearch(request.query)) note(request, { event: 'users_searched' })
      return reply.page(users, limit)
    }
  })

  fastify.route({
    method: 'GET',
    url: '/:id',
    schema: {
      operationId: 'getUser',
      tags: ['users'],
      summary: 'Get a user',
      description: 'For every user. Tells the username, the role and whether the user is disabled.',
      params: UserParams,
      response: { 200: answer('The user.', User) }
    },
    config: { errors: [UserNotFound] },
    handler: (request) => getUser(fastify.db, request.params.id)
  })

  fastify.route<{ Params: { id: string }; Body: ChangeUser }>({
    method: 'PATCH',
    url: '/:id',
    onRequest: administer,
    schema: {
      operationId: 'changeUser',
      tags: ['users'],
      summary: 'Change a user’s role, or disable the user, as an admin',
      description:
        'For admins with an access token. A disabled user is logged out everywhere; the last admin can be neither demoted nor disabled.',
      params: UserParams,
      body: bodyAs({ 'application/json': ChangeUser, 'application/merge-patch+json': ChangeUser }),
      response: { 200: answer('The user, changed; a disabled one is logged out everywhere.', User) }
    },
    config: { errors: [UserNotFound, RoleRequired, AccessTokenOnly, LastAdmin] },
    handler: async (request) => {
      const { id } = request.params
      const { role, disabled } = request.body
      const user = await fastify.run(request.user, changeUser, { userId: id, role, disabled })
      note(request, { event: 'user_changed', user_id: id, role, disabled })
      return user
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:id',
    onRequest: administer,
    schema: {
      operationId: 'deleteUser',
      tags: ['users'],
      summary: 'Delete a user, as an admin; the user’s authors stay, without owner',
      description:
        'For admins with an access token. Sessions and API keys end at once; the last admin cannot be deleted.',
      params: UserParams,
      response: { 204: emptyAnswer('Deleted, with all sessions and keys.') }
    },
    config: { errors: [UserNotFound, RoleRequired, AccessTokenOnly, LastAdmin] },
    handler: async (request, reply) => {
      const { id } = request.params
      await fastify.run(request.user, deleteUser, { userId: id })
      note(request, { event: 'user_deleted', user_id: id })
      await fastify.housekeeping.finishDeletion(id)
      return reply.code(204).send(null)
    }
  })
}

/** Who has which role and who is locked out is nobody’s business but an admin’s; a list of all tells no more than each user does. */
function isSearch({ q, role, disabled }: Static<typeof UserSearch>): boolean {
  return q !== undefined || role !== undefined || disabled !== undefined
}

export default users
