/** Answers of which the body is JSON already. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { namesVersion } from '../../db/entity-tags.ts'

/** The author, or 304 when the client has it. */
export function sendAuthor(
  request: FastifyRequest,
  reply: FastifyReply,
  author: { etag: string; body: string }
): void {
  const { 'if-none-match': ifNoneMatch } = request.headers
  reply.header('etag', author.etag)
  if (ifNoneMatch !== undefined && namesVersion(ifNoneMatch, author.etag)) reply.code(304).send()
  else sendJson(reply, author.body)
}

export function sendJson(reply: FastifyReply, body: string | Buffer): void {
  reply.header('content-type', 'application/json; charset=utf-8').send(body)
}

/** An `AuthorPage` as JSON, in bytes: Node sends these sooner than a long text, and a short text sooner than bytes. */
export function pageBody(records: Buffer, next: string | null, total: number | undefined): Buffer {
  const counted = total === undefined ? '' : `,"total":${total}`
  return Buffer.concat([PAGE_BEGIN, records, Buffer.from(`],"next":${JSON.stringify(next)}${counted}}`)])
}

const PAGE_BEGIN = Buffer.from('{"data":[')

/** Sends an answer as soon as it can: without a promise where there is none, because that costs more than sending does. */
export function sendWhenThere<T>(
  reply: FastifyReply,
  answer: T | Promise<T>,
  send: (answer: T) => void
): void {
  if (answer instanceof Promise) answer.then(send).catch((error) => reply.send(error))
  else send(answer)
}
