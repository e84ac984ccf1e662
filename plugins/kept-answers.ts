import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { lastSequence, listChangedAuthors } from '../db/changes.ts'

/** An answer of the catalogue as it is sent: JSON in UTF-8, and what its headers say. */
export interface PageAnswer {
  body: Buffer
  /** The `Link` header, if there is a next page. */
  link: string | undefined
}

export interface AuthorAnswer {
  id: string
  slug: string
  etag: string
  body: string
}

export interface KeptAnswers {
  /** The answer about this author, as it was given before if the author is still the same, or else what `read` gives. */
  author(
    request: FastifyRequest,
    idOrSlug: string,
    read: () => Promise<AuthorAnswer>
  ): AuthorAnswer | Promise<AuthorAnswer>
  /** The answer of this name, as it was given before if no author has changed since, or else what `read` gives. */
  page(
    request: FastifyRequest,
    name: string,
    read: () => Promise<PageAnswer>
  ): PageAnswer | Promise<PageAnswer>
}

declare module 'fastify' {
  interface FastifyInstance {
    keptAnswers: KeptAnswers
  }
}

const MIB = 1024 * 1024
const AUTHORS_KEPT_BYTES = 48 * MIB
const PAGES_KEPT_BYTES = 16 * MIB
/** Of what is kept beside a body and its name, which may be as long as an address can be. */
const OVERHEAD_BYTES = 500
const SLUGS_KEPT = 20_000
/** With more at a time, all is forgotten. */
const MOST_CHANGES = 1000

const bounded = (maxSize: number) => ({
  maxSize,
  sizeCalculation: ({ body }: { body: string | Buffer }, name: string) =>
    body.length + name.length + OVERHEAD_BYTES
})

/**
 * `fastify.keptAnswers`: what was read of the catalogue and made into JSON, for as long as it is right.
 *
 * A request asks the database first whether anything has changed since the last look, which takes a microsecond; if so the
 * change log tells which authors, whichever process wrote them, and what is kept of these, and all pages, is forgotten. Who
 * may see an answer is not decided here: every request has been authenticated before.
 */
async function keptAnswersPlugin(fastify: FastifyInstance) {
  const { db } = fastify
  const authors = new LRUCache<string, AuthorAnswer>(bounded(AUTHORS_KEPT_BYTES))
  const idsBySlug = new LRUCache<string, string>({ max: SLUGS_KEPT })
  const pages = new LRUCache<string, PageAnswer>(bounded(PAGES_KEPT_BYTES))
  let seen = { dataVersion: Number.NaN, sequence: Number.NaN }
  /** Counts the looks at which something was forgotten: what was read before one of them may be out of date. */
  let era = 0

  function isUpToDate(request: FastifyRequest): boolean {
    return request.dataVersion() === seen.dataVersion
  }

  /** Forgets what has changed up to the moment at which the request asked for the data's version, at least. */
  async function catchUp(dataVersion: number): Promise<void> {
    const changes = Number.isNaN(seen.sequence)
      ? []
      : await listChangedAuthors(db, { after: seen.sequence, limit: MOST_CHANGES })
    const isTooMuch = Number.isNaN(seen.sequence) || changes.length === MOST_CHANGES
    const sequence = isTooMuch ? await lastSequence(db) : (changes.at(-1)?.sequence ?? seen.sequence)
    if (isTooMuch) authors.clear()
    for (const { author_id } of changes) authors.delete(author_id)
    if (isTooMuch || changes.length > 0) {
      pages.clear()
      era += 1
    }
    // Another request may have seen more meanwhile.
    seen = { dataVersion, sequence: Math.max(sequence, seen.sequence || 0) }
  }

  /** What `find` gives when it is right, or else what `read` gives, which is kept unless something changes meanwhile. */
  async function findOrRead<Answer>(
    request: FastifyRequest,
    find: () => Answer | undefined,
    read: () => Promise<Answer>,
    keep: (answer: Answer) => void
  ): Promise<Answer> {
    if (!isUpToDate(request)) await catchUp(request.dataVersion())
    const found = find()
    if (found !== undefined) return found
    const begun = era
    const answer = await read()
    if (era === begun) keep(answer)
    return answer
  }

  function findAuthor(idOrSlug: string): AuthorAnswer | undefined {
    const known = authors.get(idOrSlug)
    if (known !== undefined) return known
    const named = authors.get(idsBySlug.get(idOrSlug) ?? '')
    // Deleted and restored, an author may have come back under another slug, and this one passed on.
    return named?.slug === idOrSlug ? named : undefined
  }

  function keepAuthor(answer: AuthorAnswer): void {
    authors.set(answer.id, answer)
    idsBySlug.set(answer.slug, answer.id)
  }

  fastify.decorate('keptAnswers', {
    author(request, idOrSlug, read) {
      const find = () => findAuthor(idOrSlug)
      return (isUpToDate(request) && find()) || findOrRead(request, find, read, keepAuthor)
    },
    page(request, name, read) {
      const find = () => pages.get(name)
      const keep = (answer: PageAnswer) => pages.set(name, answer)
      return (isUpToDate(request) && find()) || findOrRead(request, find, read, keep)
    }
  })
}

export default fp(keptAnswersPlugin, { name: 'kept-answers', dependencies: ['database'] })
