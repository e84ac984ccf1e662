import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isUuid } from '../db/text.ts'
import { InvalidCursor } from '../schemas/errors.ts'

interface Page<Item> {
  data: Item[]
  next: string | null
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The id that the page's entries come after, from the `cursor` of the query. Throws `InvalidCursor`. */
    pageStart(): string | undefined
  }
  interface FastifyReply {
    /** The page of the first `limit` items, with a link to the next one if there are more items than that. */
    page<Item extends { id: string }>(items: Item[], limit: number): Page<Item>
  }
}

const CHECKSUM_LENGTH = 6

/**
 * Keyset pages: a cursor holds the id of the page's last entry behind a checksum that binds it to its list.
 * It is opaque, not secret: it gives no right to anything.
 */
async function paginationPlugin(fastify: FastifyInstance) {
  fastify.decorateRequest('pageStart', function pageStart(this: FastifyRequest) {
    const { cursor } = this.query as { cursor?: string }
    return cursor === undefined ? undefined : decodeCursor(listOf(this), cursor)
  })

  fastify.decorateReply('page', function page<
    Item extends { id: string }
  >(this: FastifyReply, items: Item[], limit: number) {
    const data = items.slice(0, limit)
    const last = items.length > limit ? data.at(-1) : undefined
    if (last === undefined) return { data, next: null }
    const list = listOf(this.request)
    const next = `${list}?limit=${limit}&cursor=${encodeCursor(list, last.id)}`
    this.header('link', `<${next}>; rel="next"`)
    return { data, next }
  })
}

function listOf(request: FastifyRequest): string {
  return request.routeOptions.url as string
}

function encodeCursor(list: string, id: string): string {
  return Buffer.concat([checksum(list, id), Buffer.from(id)]).toString('base64url')
}

function decodeCursor(list: string, cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').subarray(CHECKSUM_LENGTH).toString()
  if (!isUuid(id) || encodeCursor(list, id) !== cursor) throw new InvalidCursor()
  return id
}

function checksum(list: string, id: string): Buffer {
  return createHash('sha256').update(`${list}\n${id}`).digest().subarray(0, CHECKSUM_LENGTH)
}

export default fp(paginationPlugin, { name: 'pagination' })
