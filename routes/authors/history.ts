import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { listHistory } from '../../db/changes.ts'
import { restoreAuthor } from '../../db/commands/authors.ts'
import { withNames } from '../../db/user-names.ts'
import { Author, AuthorParams } from '../../schemas/authors.ts'
import { ChangePage, HistoryQuery } from '../../schemas/changes.ts'
import {
  AccessTokenOnly,
  AuthorExists,
  AuthorNotDeleted,
  AuthorNotFound,
  AuthorPurged,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  IdentifierTaken,
  InvalidCursor,
  NotOwner,
  RoleRequired
} from '../../schemas/errors.ts'
import { idempotency, preferences } from '../../schemas/headers.ts'
import { answer } from '../../schemas/ref.ts'
import { getAuthorNumber } from './lookup.ts'

const history: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify

  fastify.route({
    method: 'GET',
    url: '/:author/history',
    schema: {
      operationId: 'listAuthorHistory',
      tags: ['authors'],
      summary: 'All changes of an author, the newest first; also of a deleted one',
      description:
        'For every user. Each entry tells who did what and when, and how the author was after it. Where the past was purged, it begins with a later version than 1.',
      params: AuthorParams,
      querystring: HistoryQuery,
      response: { 200: answer('A page of changes.', ChangePage, ['Link']) }
    },
    config: { errors: [AuthorNotFound, InvalidCursor, AccessTokenOnly] },
    handler: async (request, reply) => {
      const { limit = 20, include } = request.query
      if (include !== undefined) fastify.refuseKeyForNames(request)
      const number = await getAuthorNumber(db, request.params.author)
      const [before] = request.pageStart<readonly [number]>(['number']) ?? []
      const changes = await listHistory(db, number, { limit: limit + 1, before })
      const page = reply.page(changes, limit, ({ version }) => [version])
      return include === undefined ? page : { ...page, data: await withNames(db, page.data) }
    }
  })

  fastify.route({
    method: 'POST',
    url: '/:author/restore',
    onRequest: fastify.requireRole('editor'),
    schema: {
      operationId: 'restoreAuthor',
      tags: ['authors'],
      summary: 'Bring a deleted author back, as its owner or an admin',
      description:
        'For the owner, if an editor, and for admins. The author comes back as it was before it was deleted, with its id, slug and history, as a new version. Once that was purged, it cannot (410).',
      params: AuthorParams,
      headers: Type.Object({ ...idempotency, ...preferences }),
      response: { 201: answer('It is back.', Author, ['Location', 'ETag', 'Preference-Applied']) }
    },
    config: {
      errors: [
        RoleRequired,
        AuthorNotFound,
        NotOwner,
        AuthorNotDeleted,
        AuthorPurged,
        AuthorExists,
        IdentifierTaken,
        IdempotencyKeyInUse,
        IdempotencyKeyReused
      ]
    },
    handler: async (request, reply) => {
      const { author } = request.params
      const answer = await fastify.write(request, reply, restoreAuthor, { idOrSlug: author }, 201)
      request.log.info({ event: 'author_restored', author, user_id: request.user.id }, 'author restored')
      return answer
    }
  })
}

export default history
