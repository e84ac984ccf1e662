import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { insertAuthor } from '../../db/authors/writing.ts'
import { Author, CreateAuthor } from '../../schemas/authors.ts'
import {
  AuthorExists,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  IdentifierTaken,
  RoleRequired
} from '../../schemas/errors.ts'
import { idempotency, preferences } from '../../schemas/headers.ts'
import { answer, Ref } from '../../schemas/ref.ts'
import { etagOf } from './preconditions.ts'
import { addressOf, refuseImpossibleLife, telling } from './refusals.ts'

const creating: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify

  fastify.route({
    method: 'POST',
    url: '',
    onRequest: fastify.requireRole('editor'),
    schema: {
      operationId: 'createAuthor',
      tags: ['authors'],
      summary: 'Create an author',
      headers: Type.Object({ ...idempotency, ...preferences }),
      body: Ref(CreateAuthor),
      response: {
        201: answer('Created; you own it.', Author, ['Location', 'ETag', 'Preference-Applied'])
      }
    },
    config: {
      errors: [RoleRequired, AuthorExists, IdentifierTaken, IdempotencyKeyInUse, IdempotencyKeyReused]
    },
    handler: async (request, reply) => {
      refuseImpossibleLife(request.body)
      return telling(
        db,
        () => request.body,
        () =>
          fastify.write(request, reply, async (trx) => {
            const author = await insertAuthor(trx, request.body, request.user.id)
            const headers = { location: addressOf(author), etag: etagOf(author) }
            return { status: 201, headers, body: author }
          })
      )
    }
  })
}

export default creating
