import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { impossibleLife } from '../../db/authors/content.ts'
import { createAuthor } from '../../db/commands/authors.ts'
import { Author, CreateAuthor } from '../../schemas/authors.ts'
import {
  AuthorExists,
  AuthorPurged,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  IdentifierTaken,
  RoleRequired,
  ValidationFailed,
  withExtras
} from '../../schemas/errors.ts'
import { idempotency, preferences } from '../../schemas/headers.ts'
import { answer, Ref } from '../../schemas/ref.ts'

const creating: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.route({
    method: 'POST',
    url: '',
    onRequest: fastify.requireRole('editor'),
    schema: {
      operationId: 'createAuthor',
      tags: ['authors'],
      summary: 'Create an author',
      description:
        'For editors and admins; who creates an author owns it. The same name and book as another author are refused (409). With an `Idempotency-Key` the request can be repeated without creating a second one.',
      headers: Type.Object({ ...idempotency, ...preferences }),
      body: Ref(CreateAuthor),
      response: {
        201: answer('Created; you own it.', Author, ['Location', 'ETag', 'Preference-Applied'])
      }
    },
    config: {
      errors: [
        RoleRequired,
        AuthorExists,
        AuthorPurged,
        IdentifierTaken,
        IdempotencyKeyInUse,
        IdempotencyKeyReused
      ]
    },
    handler: async (request, reply) => {
      assertPossibleLife(request.body)
      return fastify.write(request, reply, createAuthor, { content: request.body }, 201)
    }
  })
}

/** Throws `ValidationFailed`, before an `Idempotency-Key` is looked at, as for anything else that is wrong with a body. */
function assertPossibleLife(author: CreateAuthor): void {
  const error = impossibleLife(author)
  if (error !== undefined) throw withExtras(new ValidationFailed(), { errors: [error] })
}

export default creating
