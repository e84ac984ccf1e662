import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import { concerns, type Span } from '../db/authors/spans.ts'

/** An answer of the catalogue as it is sent: JSON in UTF-8, and what its headers say. */
export interface PageAnswer {
  body: Buffer
  /** The `Link` header, if there is a next page. */
  link: string | undefined
  /** By which it is known what changes concern the page; undefined when any may. */
  span: Span | undefined
}

export interface AuthorAnswer {
  id: string
  slug: string
  etag: string
  body: string
}

export interface ResponseCache {
  /** The answer about this author: the cached one if the author is still the same, else what `read` gives. */
  author(idOrSlug: string, read: () => Promise<AuthorAnswer>): AuthorAnswer | Promise<AuthorAnswer>
  /** The answer of this name: the cached one unless a change since then concerns it, else what `read` gives. */
  page(name: string, read: () => Promise<PageAnswer>): PageAnswer | Promise<PageAnswer>
  /** How many answers were cached, and how many were not, since the start. */
  readonly counts: { readonly hits: number; readonly misses: number }
}

declare module 'fastify' {
  interface FastifyInstance {
    responseCache: ResponseCache
  }
}

/** A page, and up to which change of any author it is known to be right. */
interface CachedPage {
  answer: PageAnswer
  sequence: number
}

/** What is being read, and from which state on. */
interface Flight<Answer> {
  answer: Promise<Answer>
  sequence: number
}

const CACHES = ['authors', 'pages'] as const
type Cache = (typeof CACHES)[number]

const HITS = { name: 'library_cache_hits_total', help: 'Answers that were in a cache.' }
const MISSES = { name: 'library_cache_misses_total', help: 'Answers that had to be made.' }
const ENTRIES = { name: 'library_cache_entries', help: 'Answers in a cache.' }
const BYTES = { name: 'library_cache_bytes', help: 'What the answers in a cache take, as reckoned.' }

const MIB = 1024 * 1024
const AUTHORS_BYTES = 48 * MIB
const PAGES_BYTES = 32 * MIB
/** What an author takes beside its body, as measured with 40,000 of them. */
const AUTHOR_OVERHEAD_BYTES = 320
/** The same of a page, its name and its authors' numbers apart: a name may be as long as an address can be. */
const PAGE_OVERHEAD_BYTES = 500
const NUMBER_BYTES = 40
const MOST_SLUGS = 20_000
/** To look at more changes would take longer than to read the page. */
const MOST_CHANGES_OF_A_PAGE = 2000

/**
 * `fastify.responseCache`: what was read of the catalogue and made into JSON, as long as it is right (invariants 9 and 10 of
 * docs/architecture.md). Who may see an answer is not decided here: every request was authenticated before. An answer that is
 * missing is made once for all who wait for it.
 */
async function responseCachePlugin(fastify: FastifyInstance) {
  const { dataChanges, metrics } = fastify
  const authors = new LRUCache<string, AuthorAnswer>({
    maxSize: AUTHORS_BYTES,
    sizeCalculation: ({ body }) => body.length + AUTHOR_OVERHEAD_BYTES
  })
  const idsBySlug = new LRUCache<string, string>({ max: MOST_SLUGS })
  const pages = new LRUCache<string, CachedPage>({
    maxSize: PAGES_BYTES,
    sizeCalculation: ({ answer: { body, span } }, name) =>
      body.length + name.length + (span?.numbers?.size ?? 0) * NUMBER_BYTES + PAGE_OVERHEAD_BYTES
  })
  const authorFlights = new Map<string, Flight<AuthorAnswer>>()
  const pageFlights = new Map<string, Flight<PageAnswer>>()
  const hits = metrics.countBy(HITS, 'cache', CACHES)
  const misses = metrics.countBy(MISSES, 'cache', CACHES)
  metrics.gauge({ ...ENTRIES, label: 'cache' }, () => ({ authors: authors.size, pages: pages.size }))
  metrics.gauge({ ...BYTES, label: 'cache' }, () => ({
    authors: authors.calculatedSize,
    pages: pages.calculatedSize
  }))

  dataChanges.onAuthorChange((id) => {
    if (id === undefined) authors.clear()
    else authors.delete(id)
  })

  function findAuthor(idOrSlug: string): AuthorAnswer | undefined {
    const known = authors.get(idOrSlug)
    if (known !== undefined) return known
    const named = authors.get(idsBySlug.get(idOrSlug) ?? '')
    // Deleted and restored, an author may have come back under another slug, and this one passed on.
    return named?.slug === idOrSlug ? named : undefined
  }

  function keepAuthor(answer: AuthorAnswer, sequence: number): void {
    const changes = dataChanges.authorsSince(sequence)
    if (changes === undefined || changes.some(({ author_id }) => author_id === answer.id)) return
    authors.set(answer.id, answer)
    idsBySlug.set(answer.slug, answer.id)
  }

  function findPage(name: string): PageAnswer | undefined {
    const cached = pages.get(name)
    if (cached === undefined) return undefined
    if (cached.sequence === dataChanges.known.authors) return cached.answer
    if (isStillRight(cached)) {
      cached.sequence = dataChanges.known.authors
      return cached.answer
    }
    pages.delete(name)
    return undefined
  }

  function isStillRight({ answer: { span }, sequence }: CachedPage): boolean {
    const changes = dataChanges.authorsSince(sequence)
    if (changes === undefined || changes.length > MOST_CHANGES_OF_A_PAGE) return false
    return span === undefined ? changes.length === 0 : !changes.some((change) => concerns(span, change))
  }

  function counted<Answer>(cache: Cache, found: Answer | undefined): Answer | undefined {
    const count = found === undefined ? misses[cache] : hits[cache]
    count.add()
    return found
  }

  /** Joins those who wait for the same answer, if no change has come since they began. */
  function fly<Answer>(
    flights: Map<string, Flight<Answer>>,
    name: string,
    read: () => Promise<Answer>,
    keep: (answer: Answer, sequence: number) => void
  ): Promise<Answer> {
    const sequence = dataChanges.known.authors
    const under = flights.get(name)
    if (under?.sequence === sequence) return under.answer
    const answer = read()
    const flight = { answer, sequence }
    flights.set(name, flight)
    const land = () => flights.get(name) === flight && flights.delete(name)
    answer.then((made) => keep(made, sequence)).then(land, land)
    return answer
  }

  /** A server was asked for this request when it was authenticated; a second look costs a round trip, and a file none. */
  function whenUpToDate<Answer>(find: () => Answer | Promise<Answer>): Answer | Promise<Answer> {
    const looking = dataChanges.catchUpAtHand()
    return looking === undefined ? find() : looking.then(find)
  }

  fastify.decorate('responseCache', {
    author: (idOrSlug, read) =>
      whenUpToDate(
        () => counted('authors', findAuthor(idOrSlug)) ?? fly(authorFlights, idOrSlug, read, keepAuthor)
      ),
    page: (name, read) => {
      const keep = (answer: PageAnswer, sequence: number) => pages.set(name, { answer, sequence })
      return whenUpToDate(() => counted('pages', findPage(name)) ?? fly(pageFlights, name, read, keep))
    },
    get counts() {
      return {
        hits: hits.authors.value + hits.pages.value,
        misses: misses.authors.value + misses.pages.value
      }
    }
  })
}

export default fp(responseCachePlugin, { name: 'response-cache', dependencies: ['data-changes', 'metrics'] })
