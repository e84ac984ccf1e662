/** Answers of which the body is JSON already. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isUnmodified } from './preconditions.ts'

/** The author, or 304 when the client has it. */
export function sendAuthor(
  request: FastifyRequest,
  reply: FastifyReply,
  author: { etag: string; body: string }
): FastifyReply {
  const { 'if-none-match': ifNoneMatch } = request.headers
  reply.header('etag', author.etag)
  if (ifNoneMatch !== undefined && isUnmodified(author.etag, ifNoneMatch)) return reply.code(304).send()
  return sendJson(reply, author.body)
}

export function sendJson(reply: FastifyReply, body: string | Buffer): FastifyReply {
  return reply.header('content-type', 'application/json; charset=utf-8').send(body)
}

/** An `AuthorPage` as JSON, in bytes: Node sends these sooner than a long text, and a short text sooner than bytes. */
export function pageBody(records: Buffer, next: string | null, total: number | undefined): Buffer {
  const counted = total === undefined ? '' : `,"total":${total}`
  return Buffer.concat([PAGE_BEGIN, records, Buffer.from(`],"next":${JSON.stringify(next)}${counted}}`)])
}

const PAGE_BEGIN = Buffer.from('{"data":[')

/** Sends what is there at once, for a promise costs more than sending does; typed as a handler that leaves sending to the reply. */
export function sendWhenThere<T>(answer: T | Promise<T>, send: (answer: T) => FastifyReply): Promise<never> {
  const sent = answer instanceof Promise ? answer.then(send) : send(answer)
  return sent as unknown as Promise<never>
}
