import type { FastifyReply, FastifyRequest } from 'fastify'
import { listDeletedAuthors } from '../../db/deleted-authors.ts'
import type { ReadDb } from '../../db/tables.ts'
import { withNames } from '../../db/user-names.ts'
import type { AuthorSearch } from '../../schemas/author-search.ts'
import { refusedParameter } from '../../schemas/errors.ts'

type Request = FastifyRequest<{ Querystring: AuthorSearch }>

const JOINED = ['deleted', 'include', 'limit', 'cursor']
const ALONE = 'cannot be joined with deleted=true, which gives all deleted authors, the last deletion first'

/** A page of deleted authors. Throws `ValidationFailed` or `InvalidCursor`. */
export async function findDeletedPage(db: ReadDb, request: Request, reply: FastifyReply) {
  const { limit = 20, include, ...others } = request.query
  refuseOthers(others)
  const [before] = request.pageStart<readonly [number]>(['number']) ?? []
  const found = await listDeletedAuthors(db, { limit: limit + 1, before })
  const page = reply.page(found, limit, ({ sequence }) => [sequence])
  const authors = page.data.map(({ author }) => author)
  const data = include === undefined ? authors : await withNames(db, authors)
  return {
    body: Buffer.from(JSON.stringify({ data, next: page.next })),
    link: reply.getHeader('link') as string | undefined
  }
}

/** An order that is not named is there as the default. */
function refuseOthers(query: Omit<AuthorSearch, 'limit' | 'include'>): void {
  const other = Object.entries(query).find(
    ([name, value]) => !JOINED.includes(name) && !(name === 'sort' && value === '-created_at')
  )
  if (other !== undefined) throw refusedParameter(other[0], ALONE)
}
