import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { purgeAnswersOf, purgeAuthor } from '../../db/commands/author-purges.ts'
import { deleteAuthor, patchAuthor, replaceAuthor, type Target } from '../../db/commands/authors.ts'
import { isTagList } from '../../db/entity-tags.ts'
import { Author, AuthorParams, DeleteAuthorQuery, PatchAuthor, ReplaceAuthor } from '../../schemas/authors.ts'
import {
  AccessTokenOnly,
  AuthorExists,
  AuthorNotFound,
  AuthorPurged,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  IdentifierTaken,
  NotOwner,
  RoleRequired,
  StaleVersion,
  ValidationFailed,
  withExtras
} from '../../schemas/errors.ts'
import { conditions, idempotency, preferences } from '../../schemas/headers.ts'
import { answer, bodyAs, emptyAnswer, Ref } from '../../schemas/ref.ts'

const REFUSALS = [RoleRequired, AuthorNotFound, NotOwner, StaleVersion]
const CONFLICTS = [AuthorExists, IdentifierTaken]
const CHANGED = {
  200: answer('The author as it is now.', Author, ['ETag', 'Preference-Applied']),
  204: emptyAnswer('Done, with `Prefer: return=minimal`.', ['ETag', 'Preference-Applied'])
}

const editing: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.addHook('onRequest', fastify.requireRole('editor'))

  fastify.route({
    method: 'PUT',
    url: '/:author',
    schema: {
      operationId: 'replaceAuthor',
      tags: ['authors'],
      summary: 'Replace an author, as its owner or an admin',
      description:
        'For the owner, if an editor, and for admins. What is left out goes back to false or null. With `If-Match` only the version that you have seen is replaced (412 when it has changed).',
      params: AuthorParams,
      headers: Type.Object({ ...conditions, ...preferences }),
      body: Ref(ReplaceAuthor),
      response: CHANGED
    },
    config: { errors: [...REFUSALS, ...CONFLICTS] },
    handler: (request, reply) => {
      const input = { ...targetOf(request), content: request.body }
      return fastify.write(request, reply, replaceAuthor, input, 200)
    }
  })

  fastify.route<{ Params: { author: string }; Body: PatchAuthor }>({
    method: 'PATCH',
    url: '/:author',
    schema: {
      operationId: 'patchAuthor',
      tags: ['authors'],
      summary: 'Change some of an author, as its owner or an admin',
      description:
        'For the owner, if an editor, and for admins. A merge patch (RFC 7396): only what is named changes, and null clears. With `If-Match` only the version that you have seen is changed.',
      params: AuthorParams,
      headers: Type.Object({ ...conditions, ...idempotency, ...preferences }),
      body: bodyAs({ 'application/merge-patch+json': PatchAuthor, 'application/json': PatchAuthor }),
      response: CHANGED
    },
    config: { errors: [...REFUSALS, ...CONFLICTS, AuthorPurged, IdempotencyKeyInUse, IdempotencyKeyReused] },
    handler: (request, reply) => {
      const input = { ...targetOf(request), patch: request.body }
      return fastify.write(request, reply, patchAuthor, input, 200)
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:author',
    schema: {
      operationId: 'deleteAuthor',
      tags: ['authors'],
      summary: 'Delete an author, as its owner or an admin; it can be restored',
      description:
        'For the owner, if an editor, and for admins. The history stays, and `POST /authors/{author}/restore` brings the author back. With `If-Match` only the version that you have seen is deleted. With `purge=true`, for admins with an access token, all of it is erased, for good.',
      params: AuthorParams,
      querystring: DeleteAuthorQuery,
      headers: Type.Object(conditions),
      response: { 204: emptyAnswer('Deleted; its history stays, unless it was purged.') }
    },
    config: { errors: [...REFUSALS, AccessTokenOnly] },
    handler: async (request, reply) => {
      if (request.query.purge) return purgeAll(request, reply)
      const answer = await fastify.write(request, reply, deleteAuthor, targetOf(request), 204)
      request.log.info(
        { event: 'author_deleted', author: request.params.author, user_id: request.user.id },
        'author deleted'
      )
      return answer
    }
  })

  async function purgeAll(request: FastifyRequest<{ Params: { author: string } }>, reply: FastifyReply) {
    if (request.user.sessionId === undefined) throw new AccessTokenOnly()
    const id = await purge(request, targetOf(request))
    request.log.info({ event: 'author_purged', author_id: id, by: request.user.id }, 'author purged')
    return reply.code(204).send(null)
  }

  /** Gives the id of what was erased. */
  async function purge({ user }: Pick<FastifyRequest, 'user'>, target: Target): Promise<string> {
    const purgeSome = (more: Partial<Target>) => fastify.run(user, purgeAuthor, { ...target, ...more })
    let purged = await purgeSome({})
    // By the id, since the slug may be forgotten by then, or another author's.
    while (!purged.isDone) purged = await purgeSome({ idOrSlug: purged.id })
    const authorId = purged.id
    for (let after: number | undefined = 0; after !== undefined; )
      after = await fastify.run('service', purgeAnswersOf, { authorId, after })
    return authorId
  }
}

/** Which author the request is about, and in which version. Throws `ValidationFailed` for what names no version, and so would never match. */
function targetOf({
  params,
  headers
}: Pick<FastifyRequest<{ Params: { author: string } }>, 'params' | 'headers'>) {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch !== undefined && !isTagList(ifMatch)) {
    const detail = 'is no ETag; send one as it came, with its double quotes'
    throw withExtras(new ValidationFailed(), { errors: [{ pointer: '/if-match', detail }] })
  }
  return { idOrSlug: params.author, preconditions: { ifMatch, ifNoneMatch } }
}

export default editing
