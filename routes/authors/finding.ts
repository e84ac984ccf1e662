import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorFilter } from '../../db/authors/conditions.ts'
import { countAuthors } from '../../db/authors/counting.ts'
import { listAuthors } from '../../db/authors/finding.ts'
import { type AuthorOrder, findPlace, type Position } from '../../db/authors/order.ts'
import { etagOf, namedTag } from '../../db/authors/representation.ts'
import { foldText, wordsOf } from '../../db/text.ts'
import { withNames } from '../../db/user-names.ts'
import { AuthorSearch } from '../../schemas/author-search.ts'
import { Author, AuthorPage, AuthorParams, AuthorVersionQuery } from '../../schemas/authors.ts'
import {
  AccessTokenOnly,
  AuthorNotFound,
  InvalidCursor,
  RoleRequired,
  ValidationFailed,
  VersionNotFound,
  VersionPurged,
  withExtras
} from '../../schemas/errors.ts'
import { IfNoneMatch } from '../../schemas/headers.ts'
import { answer, emptyAnswer } from '../../schemas/ref.ts'
import { pageBody, sendAuthor, sendJson, sendWhenThere } from './answers.ts'
import { findDeletedPage } from './deleted.ts'
import { getAuthorAnswer, getVersion } from './lookup.ts'

const MOST_WORDS = 10
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u
/** Once it is folded, as the texts are that are looked through. */
const NOTHING_COUNTS = 'has no letter or digit to look for; punctuation and marks alone do not count'

interface PageOfAuthors {
  body: Buffer
  link: string | undefined
}

interface AuthorAsSent {
  etag: string
  body: string
}

const finding: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db, responseCache } = fastify

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listAuthors',
      tags: ['authors'],
      summary: 'Find authors, by default all, the newest first',
      description:
        'For every user. Search by words and filters, choose an order, and follow `next` from page to page until it is null. Deleted authors are for admins.',
      querystring: AuthorSearch,
      response: { 200: answer('A page of authors.', AuthorPage, ['Link']) }
    },
    config: { errors: [InvalidCursor, RoleRequired, AccessTokenOnly] },
    handler: (request, reply) => {
      const { url, basePath, query, user } = request
      if (query.include !== undefined) fastify.refuseKeyForNames(request)
      const name = query.owner === 'me' ? `${basePath}${url} ${user.id}` : basePath + url
      const isPlain = query.deleted !== true && query.include === undefined
      const cached = () => responseCache.page(name, () => findPage(request, reply))
      const page = isPlain ? cached() : query.deleted ? findDeleted(request, reply) : named(cached())
      sendWhenThere(reply, page, ({ body, link }) =>
        sendJson(link === undefined ? reply : reply.header('link', link), body)
      )
    }
  })

  /** Names come to what was cached without them: they change without the author. */
  async function named(found: PageOfAuthors | Promise<PageOfAuthors>): Promise<PageOfAuthors> {
    const { body, link } = await found
    const page = JSON.parse(body.toString())
    const data = await withNames(db, page.data)
    return { body: Buffer.from(JSON.stringify({ ...page, data })), link }
  }

  async function findDeleted(request: FastifyRequest<{ Querystring: AuthorSearch }>, reply: FastifyReply) {
    await fastify.administer(request, reply)
    const page = await findDeletedPage(db, request, reply)
    request.log.info({ event: 'deleted_authors_listed', by: request.user.id }, 'deleted authors listed')
    return page
  }

  async function startOf(position: Position | undefined) {
    if (position === undefined) return undefined
    const place = await findPlace(db, position)
    if (place === undefined) throw new InvalidCursor()
    return place
  }

  async function findPage(request: FastifyRequest<{ Querystring: AuthorSearch }>, reply: FastifyReply) {
    const { limit = 20, count = false, sort = '-created_at' } = request.query
    const filter = filterOf(request.query, request.user.id)
    const order = orderOf(sort)
    const after = await startOf(request.pageStart<Position>(typesOf(order)))
    const { records, last, span } = await listAuthors(db, filter, order, { limit, after })
    const next = reply.nextPage(limit, last)
    const total = count ? await countAuthors(db, filter) : undefined
    return {
      body: pageBody(records, next, total),
      link: reply.getHeader('link') as string | undefined,
      // Any change may concern a count.
      span: count ? undefined : span
    }
  }

  fastify.route({
    method: 'GET',
    url: '/:author',
    schema: {
      operationId: 'getAuthor',
      tags: ['authors'],
      summary: 'Get an author by id or slug, as it is or as it was',
      description:
        'For every user. With `version` as it was in that version, even if it was deleted since (410 once that version was purged); with `If-None-Match` 304 when you have the current one.',
      params: AuthorParams,
      querystring: AuthorVersionQuery,
      headers: IfNoneMatch,
      response: {
        200: answer('The author.', Author, ['ETag']),
        304: emptyAnswer('You have it already.', ['ETag'])
      }
    },
    config: { errors: [AuthorNotFound, VersionNotFound, VersionPurged, AccessTokenOnly] },
    handler: (request, reply) => {
      const { author: idOrSlug } = request.params
      const { version, include } = request.query
      if (include !== undefined) fastify.refuseKeyForNames(request)
      const found =
        version === undefined
          ? responseCache.author(idOrSlug, () => getAuthorAnswer(db, idOrSlug))
          : getVersion(db, idOrSlug, version).then((author) => ({
              etag: etagOf(author),
              body: JSON.stringify(author)
            }))
      const answered = include === undefined ? found : namedAuthor(found)
      sendWhenThere(reply, answered, (author) => sendAuthor(request, reply, author))
    }
  })

  async function namedAuthor(found: AuthorAsSent | Promise<AuthorAsSent>): Promise<AuthorAsSent> {
    const { etag, body } = await found
    const [author] = await withNames(db, [JSON.parse(body)])
    return { etag: namedTag(etag, author.owner_name), body: JSON.stringify(author) }
  }
}

function filterOf(query: AuthorSearch, userId: string): AuthorFilter {
  const { q, country, booker_prize, owner } = query
  if (q !== undefined) refuseWords(q)
  if (country !== undefined && foldText(country) === '') throw unfit('/country', NOTHING_COUNTS)
  return {
    ...(q !== undefined && { text: q }),
    ...(country !== undefined && { country }),
    ...(booker_prize !== undefined && { bookerPrize: booker_prize }),
    ...(query['birth_year.gte'] !== undefined && { bornFrom: query['birth_year.gte'] }),
    ...(query['birth_year.lte'] !== undefined && { bornTo: query['birth_year.lte'] }),
    ...(owner !== undefined && { ownerId: owner === 'me' ? userId : owner }),
    identifiers: {
      ...(query['identifier.viaf'] !== undefined && { viaf: query['identifier.viaf'] }),
      ...(query['identifier.isni'] !== undefined && { isni: query['identifier.isni'] }),
      ...(query['identifier.wikidata'] !== undefined && { wikidata: query['identifier.wikidata'] }),
      ...(query['identifier.openlibrary'] !== undefined && { openlibrary: query['identifier.openlibrary'] })
    }
  }
}

function refuseWords(q: string): void {
  const words = wordsOf(q)
  if (words.length > MOST_WORDS) throw unfit('/q', `has ${words.length} words; up to ${MOST_WORDS} are taken`)
  if (!words.some((word) => LETTER_OR_DIGIT.test(word))) throw unfit('/q', NOTHING_COUNTS)
}

function unfit(pointer: string, detail: string): Error {
  return withExtras(new ValidationFailed(), { errors: [{ pointer, detail }] })
}

function orderOf(sort: string): AuthorOrder {
  return { by: sort.replace('-', '') as AuthorOrder['by'], descending: sort.startsWith('-') }
}

/** The types of a position in the order. */
function typesOf({ by }: AuthorOrder) {
  if (by === 'created_at') return ['string'] as const
  return [by === 'birth_year' ? 'number' : 'string', 'string'] as const
}

export default finding
