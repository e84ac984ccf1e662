import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import { restoreAuthor } from '../../db/authors/writing.ts'
import { type Change, findLastChange, findVersion, listHistory } from '../../db/changes.ts'
import type { Db } from '../../db/database.ts'
import { Author, AuthorParams } from '../../schemas/authors.ts'
import { ChangePage } from '../../schemas/changes.ts'
import {
  AuthorExists,
  AuthorNotDeleted,
  AuthorNotFound,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  IdentifierTaken,
  InvalidCursor,
  NotOwner,
  RoleRequired
} from '../../schemas/errors.ts'
import { idempotency, preferences } from '../../schemas/headers.ts'
import { PageQuery } from '../../schemas/pages.ts'
import { answer } from '../../schemas/ref.ts'
import { getAuthorId, refuseStranger } from './lookup.ts'
import { etagOf } from './preconditions.ts'
import { addressOf, telling } from './refusals.ts'

const history: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify

  fastify.route({
    method: 'GET',
    url: '/:author/history',
    schema: {
      operationId: 'listAuthorHistory',
      tags: ['authors'],
      summary: 'All changes of an author, the newest first; also of a deleted one',
      params: AuthorParams,
      querystring: PageQuery,
      response: { 200: answer('A page of changes.', ChangePage, ['Link']) }
    },
    config: { errors: [AuthorNotFound, InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      const id = await getAuthorId(db, request.params.author)
      const [before] = request.pageStart<readonly [number]>(['number']) ?? []
      const changes = await listHistory(db, id, { limit: limit + 1, before })
      return reply.page(changes, limit, ({ version }) => [version])
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
        AuthorExists,
        IdentifierTaken,
        IdempotencyKeyInUse,
        IdempotencyKeyReused
      ]
    },
    handler: async (request, reply) => {
      const { author: idOrSlug } = request.params
      let content: AuthorContent
      const write = () =>
        fastify.write(request, reply, async (trx) => {
          const { last, deletedVersion } = await getDeleted(trx, idOrSlug)
          refuseStranger(last, request.user)
          content = last
          const author = await restoreAuthor(trx, last, deletedVersion, request.user.id)
          const headers = { location: addressOf(author), etag: etagOf(author) }
          return { status: 201, headers, body: author }
        })
      return telling(db, () => content, write)
    }
  })
}

/** A deleted author as it was last. Throws `AuthorNotFound` or `AuthorNotDeleted`. */
async function getDeleted(trx: Db, idOrSlug: string) {
  const id = await getAuthorId(trx, idOrSlug)
  const { operation, version } = (await findLastChange(trx, id)) as Change
  if (operation !== 'deleted') throw new AuthorNotDeleted(idOrSlug)
  return { last: (await findVersion(trx, id, version - 1)) as AuthorRecord, deletedVersion: version }
}

export default history
