import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { listApiKeys } from '../../../db/api-keys.ts'
import { createApiKey, revokeApiKey } from '../../../db/commands/api-keys.ts'
import { ApiKeyPage, ApiKeyParams, CreateApiKey, NewApiKey } from '../../../schemas/api-keys.ts'
import {
  AccessTokenOnly,
  InvalidCursor,
  KeyNotFound,
  ValidationFailed,
  withExtras
} from '../../../schemas/errors.ts'
import { PageQuery } from '../../../schemas/pages.ts'
import { answer, emptyAnswer, Ref } from '../../../schemas/ref.ts'

/** Keys for scripts: managed with an access token, used as one. */
const keys: FastifyPluginAsyncTypebox = async (fastify) => {
  const { apiKeys, db } = fastify
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.refuseApiKeys)

  fastify.route({
    method: 'POST',
    url: '',
    schema: {
      operationId: 'createMyKey',
      tags: ['account'],
      summary: 'Create an API key for a script',
      description:
        'For every user with an access token. The key is shown in this answer alone, acts for you, and can be limited to reading and in time.',
      body: Ref(CreateApiKey),
      response: {
        201: answer('Created. The key is shown this once.', NewApiKey, ['Location', 'Cache-Control'])
      }
    },
    config: { errors: [AccessTokenOnly] },
    handler: async (request, reply) => {
      const { name, scope, expires_at = null } = request.body
      refusePast(expires_at)
      const key = apiKeys.create()
      const keyHash = apiKeys.hash(key) as string
      const expiresAt = expires_at && new Date(expires_at).toISOString()
      const created = await fastify.run(request.user, createApiKey, { name, scope, keyHash, expiresAt })
      request.log.info(
        { event: 'api_key_created', user_id: request.user.id, key_id: created.id, scope },
        'API key created'
      )
      reply.code(201).header('location', `${request.basePath}/me/keys/${created.id}`).cacheControl('no-store')
      return { ...created, key }
    }
  })

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listMyKeys',
      tags: ['account'],
      summary: 'List my API keys, newest first',
      description:
        'For every user with an access token. Tells what each key is for, what it may do and when it was last used, never the key itself.',
      querystring: PageQuery,
      response: { 200: answer('A page of keys, without the keys themselves.', ApiKeyPage, ['Link']) }
    },
    config: { errors: [AccessTokenOnly, InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      const [before] = request.pageStart() ?? []
      return reply.page(await listApiKeys(db, request.user.id, { limit: limit + 1, before }), limit)
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:id',
    schema: {
      operationId: 'revokeMyKey',
      tags: ['account'],
      summary: 'Revoke one of my API keys',
      description: 'For every user with an access token. The key is refused from the next request on.',
      params: ApiKeyParams,
      response: { 204: emptyAnswer('Revoked; it fails from the next request on.') }
    },
    config: { errors: [AccessTokenOnly, KeyNotFound] },
    handler: async (request, reply) => {
      const { id } = request.params
      await fastify.run(request.user, revokeApiKey, { keyId: id })
      request.log.info({ event: 'api_key_revoked', user_id: request.user.id, key_id: id }, 'API key revoked')
      return reply.code(204).send(null)
    }
  })
}

/** Later, a year has five digits, and times are no longer in the order of their texts. */
const END_OF_TIME = Date.parse('9999-12-31T23:59:59Z')

function refusePast(expiresAt: string | null): void {
  if (expiresAt === null || (Date.parse(expiresAt) > Date.now() && Date.parse(expiresAt) < END_OF_TIME))
    return
  throw withExtras(new ValidationFailed(), {
    errors: [{ pointer: '/expires_at', detail: 'must be in the future, and before the year 10000' }]
  })
}

export default keys
