import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError } from 'fastify'
import { HeadersTooLarge, MalformedRequest, RequestTimeout } from '../../schemas/errors.ts'
import { problemDocument } from './index.ts'

const CAUSES: Record<string, new () => FastifyError> = {
  ERR_HTTP_REQUEST_TIMEOUT: RequestTimeout,
  HPE_HEADER_OVERFLOW: HeadersTooLarge
}

/** Fastify's `clientErrorHandler`: a request that never became one is answered with a problem too, by hand, on the bare socket. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const Problem = CAUSES[error.code ?? ''] ?? MalformedRequest
  const instance = randomUUID()
  const document = problemDocument(new Problem(), instance)
  const body = JSON.stringify(document)
  socket.end(
    [
      `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status]}`,
      'Content-Type: application/problem+json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      `X-Request-Id: ${instance}`,
      'Connection: close',
      '',
      body
    ].join('\r\n')
  )
}
