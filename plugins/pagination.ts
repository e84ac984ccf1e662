import { hash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { InvalidCursor } from '../schemas/errors.ts'

interface Page<Item> {
  data: Item[]
  next: string | null
}

/** Where an entry stands in the order of its list: what the list is sorted by. */
type Position = readonly (string | number)[]

type ValueType = 'string' | 'number'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The position that the page's entries come after, from the `cursor` of the query; by default an id. Throws `InvalidCursor`
     * unless its values are of these types.
     */
    pageStart<P extends Position = readonly [string]>(types?: readonly ValueType[]): P | undefined
  }
  interface FastifyReply {
    /**
     * The page of the first `limit` items, with a link to the next one if there are more items than that, which begins after
     * the position of its last; by default that is its id.
     */
    page<Item>(items: Item[], limit: number, positionOf?: (item: Item) => Position): Page<Item>
    /** The address of the page after the one of `limit` entries that ends at this position, linked to; null without a position. */
    nextPage(limit: number, last: Position | undefined): string | null
  }
}

const CHECKSUM_LENGTH = 6

/**
 * Keyset pages: a cursor holds the position of the page's last entry behind a checksum that binds it to its list and to
 * the parameters by which that was filtered and sorted. It is opaque, not secret: it gives no right to anything.
 */
async function paginationPlugin(fastify: FastifyInstance) {
  fastify.decorateRequest('pageStart', function pageStart<
    P extends Position
  >(this: FastifyRequest, types: readonly ValueType[] = ['string']) {
    const { cursor } = this.query as { cursor?: string }
    return cursor === undefined ? undefined : (decodeCursor(listOf(this), cursor, types) as P)
  })

  fastify.decorateReply('page', function page<
    Item
  >(this: FastifyReply, items: Item[], limit: number, positionOf = byId as (item: Item) => Position) {
    const data = items.slice(0, limit)
    const last = items.length > limit ? data.at(-1) : undefined
    return { data, next: this.nextPage(limit, last && positionOf(last)) }
  })

  fastify.decorateReply('nextPage', function nextPage(this: FastifyReply, limit, last) {
    if (last === undefined) return null
    const list = listOf(this.request)
    const others = list.parameters.length === 0 ? '' : `${new URLSearchParams(list.parameters)}&`
    const next = `${this.request.basePath}${list.path}?${others}limit=${limit}&cursor=${encodeCursor(list, last)}`
    this.header('link', `<${next}>; rel="next"`)
    return next
  })
}

function byId({ id }: { id: string }): Position {
  return [id]
}

/** A list and the parameters that make it another one, in an order of their own. */
interface List {
  path: string
  parameters: [string, string][]
}

function listOf({ routeOptions, params, query }: FastifyRequest): List {
  const path = (routeOptions.url as string).replace(/:(\w+)/g, (_match, name) =>
    encodeURIComponent((params as Record<string, string>)[name] as string)
  )
  const parameters = Object.entries(query as Record<string, unknown>)
    .filter(([name]) => name !== 'limit' && name !== 'cursor')
    .map(([name, value]): [string, string] => [name, String(value)])
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return { path, parameters }
}

function encodeCursor(list: List, position: Position): string {
  const text = JSON.stringify(position)
  return Buffer.concat([checksum(list, text), Buffer.from(text)]).toString('base64url')
}

function decodeCursor(list: List, cursor: string, types: readonly ValueType[]): Position {
  const text = Buffer.from(cursor, 'base64url').subarray(CHECKSUM_LENGTH).toString()
  const position = parsePosition(text, types)
  if (position === undefined || encodeCursor(list, position) !== cursor) throw new InvalidCursor()
  return position
}

/** A cursor that is made up, with the right checksum, still cannot bring anything but such values into a query. */
function parsePosition(text: string, types: readonly ValueType[]): Position | undefined {
  try {
    const position = JSON.parse(text)
    const isPosition =
      position.length === types.length && types.every((type, index) => typeof position[index] === type)
    return isPosition ? position : undefined
  } catch {
    return undefined
  }
}

function checksum({ path, parameters }: List, position: string): Buffer {
  const text = JSON.stringify([path, parameters, position])
  return hash('sha256', text, 'buffer').subarray(0, CHECKSUM_LENGTH)
}

export default fp(paginationPlugin, { name: 'pagination', dependencies: ['base-path'] })
