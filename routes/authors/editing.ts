import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import { changeAuthor, deleteAuthor } from '../../db/authors/writing.ts'
import { Author, AuthorParams, PatchAuthor, ReplaceAuthor } from '../../schemas/authors.ts'
import {
  AuthorExists,
  AuthorNotFound,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  IdentifierTaken,
  NotOwner,
  RoleRequired,
  StaleVersion
} from '../../schemas/errors.ts'
import { conditions, idempotency, preferences } from '../../schemas/headers.ts'
import { answer, bodyAs, emptyAnswer, Ref } from '../../schemas/ref.ts'
import { getEditableAuthor } from './lookup.ts'
import { etagOf, refuseStale } from './preconditions.ts'
import { refuseImpossibleLife, telling } from './refusals.ts'

const REFUSALS = [RoleRequired, AuthorNotFound, NotOwner, StaleVersion]
const CONFLICTS = [AuthorExists, IdentifierTaken]
const CHANGED = {
  200: answer('The author as it is now.', Author, ['ETag', 'Preference-Applied']),
  204: emptyAnswer('Done, with `Prefer: return=minimal`.', ['ETag', 'Preference-Applied'])
}

type EditRequest = FastifyRequest<{ Params: { author: string } }>

const editing: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify
  fastify.addHook('onRequest', fastify.requireRole('editor'))

  /** Sets the content that `edit` makes of the current author. */
  async function change(
    request: EditRequest,
    reply: FastifyReply,
    operation: 'replaced' | 'patched',
    edit: (current: AuthorRecord) => AuthorContent
  ) {
    let content: AuthorContent
    const write = () =>
      fastify.write(request, reply, async (trx) => {
        const current = await getEditableAuthor(trx, request.params.author, request.user)
        refuseStale(current, request.headers)
        content = edit(current)
        refuseImpossibleLife(content)
        const author = await changeAuthor(trx, current, content, operation, request.user.id)
        return { status: 200, headers: { etag: etagOf(author) }, body: author }
      })
    return telling(db, () => content, write)
  }

  fastify.route({
    method: 'PUT',
    url: '/:author',
    schema: {
      operationId: 'replaceAuthor',
      tags: ['authors'],
      summary: 'Replace an author, as its owner or an admin',
      params: AuthorParams,
      headers: Type.Object({ ...conditions, ...preferences }),
      body: Ref(ReplaceAuthor),
      response: CHANGED
    },
    config: { errors: [...REFUSALS, ...CONFLICTS] },
    handler: (request, reply) => change(request, reply, 'replaced', () => request.body)
  })

  fastify.route<{ Params: { author: string }; Body: PatchAuthor }>({
    method: 'PATCH',
    url: '/:author',
    schema: {
      operationId: 'patchAuthor',
      tags: ['authors'],
      summary: 'Change some of an author, as its owner or an admin',
      params: AuthorParams,
      headers: Type.Object({ ...conditions, ...idempotency, ...preferences }),
      body: bodyAs({ 'application/merge-patch+json': PatchAuthor }),
      response: CHANGED
    },
    config: { errors: [...REFUSALS, ...CONFLICTS, IdempotencyKeyInUse, IdempotencyKeyReused] },
    handler: (request, reply) =>
      change(request, reply, 'patched', (current) => merge(contentOf(current), request.body))
  })

  fastify.route({
    method: 'DELETE',
    url: '/:author',
    schema: {
      operationId: 'deleteAuthor',
      tags: ['authors'],
      summary: 'Delete an author, as its owner or an admin; it can be restored',
      params: AuthorParams,
      headers: Type.Object(conditions),
      response: { 204: emptyAnswer('Deleted; its history stays.') }
    },
    config: { errors: REFUSALS },
    handler: async (request, reply) =>
      fastify.write(request, reply, async (trx) => {
        const current = await getEditableAuthor(trx, request.params.author, request.user)
        refuseStale(current, request.headers)
        await deleteAuthor(trx, current, request.user.id)
        return { status: 204 }
      })
  })
}

/** What a user may write of an author. */
function contentOf({
  name,
  book,
  country,
  booker_prize,
  birth_year,
  death_year,
  identifiers,
  note
}: AuthorRecord) {
  return { name, book, country, booker_prize, birth_year, death_year, identifiers, note }
}

/** A merge patch (RFC 7396) on content of which null and what is not there mean the same. */
function merge(content: ReturnType<typeof contentOf>, patch: PatchAuthor): AuthorContent {
  const identifiers = patch.identifiers === null ? {} : { ...content.identifiers, ...patch.identifiers }
  const { booker_prize = content.booker_prize } = patch
  return { ...content, ...patch, booker_prize: booker_prize ?? false, identifiers }
}

export default editing
