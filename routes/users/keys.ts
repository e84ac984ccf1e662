import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { listApiKeys } from '../../db/api-keys.ts'
import { revokeKeysOfUser } from '../../db/commands/api-keys.ts'
import { ApiKeyPage } from '../../schemas/api-keys.ts'
import {
  AccessTokenOnly,
  InvalidCursor,
  KeyNotFound,
  RoleRequired,
  UserNotFound
} from '../../schemas/errors.ts'
import { PageQuery } from '../../schemas/pages.ts'
import { answer, emptyAnswer } from '../../schemas/ref.ts'
import { UserKeyParams, UserParams } from '../../schemas/users.ts'
import { getUser, note } from './one-user.ts'

const REFUSALS = [RoleRequired, AccessTokenOnly, UserNotFound]

/** The API keys of a user, in the hands of an admin. */
const keys: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify
  fastify.addHook('onRequest', fastify.administer)

  fastify.route({
    method: 'GET',
    url: '/:id/keys',
    schema: {
      operationId: 'listUserKeys',
      tags: ['users'],
      summary: 'List a user’s API keys, newest first, as an admin',
      description:
        'For admins with an access token. Tells what each key is for, what it may do and when it was last used, never the key itself.',
      params: UserParams,
      querystring: PageQuery,
      response: { 200: answer('A page of keys, without the keys themselves.', ApiKeyPage, ['Link']) }
    },
    config: { errors: [...REFUSALS, InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      const { id } = await getUser(db, request.params.id)
      const [before] = request.pageStart() ?? []
      const keys = await listApiKeys(db, id, { limit: limit + 1, before })
      note(request, { event: 'user_keys_listed', user_id: id })
      return reply.page(keys, limit)
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:id/keys',
    schema: {
      operationId: 'revokeUserKeys',
      tags: ['users'],
      summary: 'Revoke all API keys of a user, as an admin',
      description:
        'For admins with an access token. The keys are refused from the next request on; sessions stay.',
      params: UserParams,
      response: { 204: emptyAnswer('Revoked; they fail from the next request on.') }
    },
    config: { errors: REFUSALS },
    handler: async (request, reply) => {
      const { id } = request.params
      await fastify.run(request.user, revokeKeysOfUser, { userId: id })
      note(request, { event: 'user_keys_revoked', user_id: id })
      return reply.code(204).send(null)
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:id/keys/:key',
    schema: {
      operationId: 'revokeUserKey',
      tags: ['users'],
      summary: 'Revoke one of a user’s API keys, as an admin',
      description: 'For admins with an access token. The key is refused from the next request on.',
      params: UserKeyParams,
      response: { 204: emptyAnswer('Revoked; it fails from the next request on.') }
    },
    config: { errors: [...REFUSALS, KeyNotFound] },
    handler: async (request, reply) => {
      const { id, key } = request.params
      await fastify.run(request.user, revokeKeysOfUser, { userId: id, only: key })
      note(request, { event: 'user_keys_revoked', user_id: id, key_id: key })
      return reply.code(204).send(null)
    }
  })
}

export default keys
