import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import {
  type AuthorRecord,
  deleteAuthor,
  findAuthor,
  insertAuthor,
  listAuthors,
  replaceAuthor
} from '../../db/authors.ts'
import type { Db } from '../../db/database.ts'
import {
  Author,
  AuthorPage,
  AuthorParams,
  CreateAuthor,
  IfMatch,
  ReplaceAuthor
} from '../../schemas/authors.ts'
import {
  AuthorExists,
  AuthorNotFound,
  IdentifierTaken,
  InsufficientScope,
  InvalidCursor,
  NotOwner,
  RoleRequired,
  StaleVersion
} from '../../schemas/errors.ts'
import { PageQuery } from '../../schemas/pages.ts'
import { answer, emptyAnswer, Ref } from '../../schemas/ref.ts'
import { etagOf, refuseStale } from './preconditions.ts'
import { refuseImpossibleLife, telling } from './refusals.ts'

const authors: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify
  const edit = fastify.requireRole('editor')
  fastify.addHook('onRequest', fastify.authenticate)

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listAuthors',
      tags: ['authors'],
      summary: 'List the authors, newest first',
      querystring: PageQuery,
      response: { 200: answer('A page of authors.', AuthorPage, ['Link']) }
    },
    config: { errors: [InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      return reply.page(await listAuthors(db, { limit: limit + 1, before: request.pageStart() }), limit)
    }
  })

  fastify.route({
    method: 'POST',
    url: '',
    onRequest: edit,
    schema: {
      operationId: 'createAuthor',
      tags: ['authors'],
      summary: 'Create an author',
      body: Ref(CreateAuthor),
      response: { 201: answer('Created; you own it.', Author, ['Location', 'ETag']) }
    },
    config: { errors: [RoleRequired, InsufficientScope, AuthorExists, IdentifierTaken] },
    handler: async (request, reply) => {
      refuseImpossibleLife(request.body)
      const author = await telling(db, request.body, () =>
        db.transaction().execute(async (trx) => {
          await fastify.recheck(trx, request.user, 'editor')
          return insertAuthor(trx, request.body, request.user.id)
        })
      )
      reply
        .code(201)
        .header('location', `/authors/${encodeURIComponent(author.slug)}`)
        .header('etag', etagOf(author))
      return author
    }
  })

  fastify.route({
    method: 'GET',
    url: '/:author',
    schema: {
      operationId: 'getAuthor',
      tags: ['authors'],
      summary: 'Get an author by id or slug',
      params: AuthorParams,
      response: { 200: answer('The author.', Author, ['ETag']) }
    },
    config: { errors: [AuthorNotFound] },
    handler: async (request, reply) => {
      const author = await getAuthor(db, request.params.author)
      reply.header('etag', etagOf(author))
      return author
    }
  })

  fastify.route({
    method: 'PUT',
    url: '/:author',
    onRequest: edit,
    schema: {
      operationId: 'replaceAuthor',
      tags: ['authors'],
      summary: 'Replace an author, as its owner or an admin',
      params: AuthorParams,
      headers: IfMatch,
      body: Ref(ReplaceAuthor),
      response: { 200: answer('Replaced.', Author, ['ETag']) }
    },
    config: {
      errors: [
        RoleRequired,
        InsufficientScope,
        AuthorNotFound,
        NotOwner,
        StaleVersion,
        AuthorExists,
        IdentifierTaken
      ]
    },
    handler: async (request, reply) => {
      refuseImpossibleLife(request.body)
      const author = await telling(db, request.body, () =>
        db.transaction().execute(async (trx) => {
          await fastify.recheck(trx, request.user, request.user.role)
          const current = await getEditableAuthor(trx, request.params.author, request.user)
          refuseStale(current, request.headers['if-match'])
          return replaceAuthor(trx, current.id, request.body)
        })
      )
      reply.header('etag', etagOf(author))
      return author
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '/:author',
    onRequest: edit,
    schema: {
      operationId: 'deleteAuthor',
      tags: ['authors'],
      summary: 'Delete an author, as its owner or an admin',
      params: AuthorParams,
      headers: IfMatch,
      response: { 204: emptyAnswer('Deleted.') }
    },
    config: { errors: [RoleRequired, InsufficientScope, AuthorNotFound, NotOwner, StaleVersion] },
    handler: async (request, reply) => {
      await db.transaction().execute(async (trx) => {
        await fastify.recheck(trx, request.user, request.user.role)
        const current = await getEditableAuthor(trx, request.params.author, request.user)
        refuseStale(current, request.headers['if-match'])
        await deleteAuthor(trx, current.id)
      })
      return reply.code(204).send(null)
    }
  })
}

async function getAuthor(db: Db, idOrSlug: string): Promise<AuthorRecord> {
  const author = await findAuthor(db, idOrSlug)
  if (author === undefined) throw new AuthorNotFound(idOrSlug)
  return author
}

async function getEditableAuthor(
  db: Db,
  idOrSlug: string,
  user: { id: string; role: string }
): Promise<AuthorRecord> {
  const author = await getAuthor(db, idOrSlug)
  if (author.owner_id !== user.id && user.role !== 'admin') throw new NotOwner()
  return author
}

export default authors
