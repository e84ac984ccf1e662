import { randomUUID } from 'node:crypto'
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError } from 'fastify'
import { HeadersTooLarge, MalformedRequest, RequestTimeout } from '../../schemas/errors.ts'
import { problemDocument } from './index.ts'

const CAUSES: Record<string, new () => FastifyError> = {
  ERR_HTTP_REQUEST_TIMEOUT: RequestTimeout,
  HPE_HEADER_OVERFLOW: HeadersTooLarge
}

/** A socket of Node's HTTP server knows the answer that it has to send next. */
type HttpSocket = Socket & { _httpMessage?: ServerResponse | null }

/**
 * Fastify's `clientErrorHandler`: a request that never became one is answered with a problem too, by hand, on the bare
 * socket, after the answers to good requests that came before it.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: HttpSocket): void {
  const pending = socket._httpMessage
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
  else if (pending?.req.complete) pending.once('finish', () => setImmediate(answerClientError, error, socket))
  else sendProblem(error, socket)
}

function sendProblem(error: NodeJS.ErrnoException, socket: Socket): void {
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
