/** Problems that are answered without Fastify, for requests that never became its own or must not cost as much. */
import { randomUUID } from 'node:crypto'
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError } from 'fastify'
import {
  HeadersTooLarge,
  MalformedRequest,
  MethodNotAllowed,
  type ProblemExtras,
  RequestTimeout,
  withExtras
} from '../../schemas/errors.ts'
import { NOT_HTTP, problemAnswer } from '../errors/index.ts'

/** A socket of Node's HTTP server knows the answer that it has to send next. */
export type HttpSocket = Socket & { _httpMessage?: ServerResponse | null }

type Problem = FastifyError & ProblemExtras

interface Form {
  basePath: string
  /** Of the request. */
  id: string
}

const CAUSES: Record<string, () => Problem> = {
  ERR_HTTP_REQUEST_TIMEOUT: () => new RequestTimeout(),
  HPE_HEADER_OVERFLOW: () => new HeadersTooLarge()
}
/** What all addresses of the service together take. */
export const METHODS = 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT'

/** Answers what is no HTTP, or did not come in time; a listener of Node's `clientError`. */
export function answerClientError(error: NodeJS.ErrnoException, socket: HttpSocket, form: Form): void {
  if (error.code === 'ECONNRESET') socket.destroy()
  else endWith(problemOf(error), socket, form)
}

/** With what status a client error is answered; undefined where the client is gone. */
export function statusOf(error: NodeJS.ErrnoException): number | undefined {
  return error.code === 'ECONNRESET' ? undefined : problemOf(error).statusCode
}

function problemOf({ code = '' }: NodeJS.ErrnoException): Problem {
  return CAUSES[code]?.() ?? new MalformedRequest(NOT_HTTP)
}

/** Refuses CONNECT, which asks for a proxy; a listener of Node's `connect`. */
export function refuseTunnel({ method = '' }: IncomingMessage, socket: HttpSocket, form: Form): void {
  const destroy = () => socket.destroy()
  // Node has removed its own listeners, and an error that nobody listens to ends the process.
  socket.on('error', destroy).on('finish', destroy)
  const problem = withExtras(new MethodNotAllowed(method, METHODS), { headers: { allow: METHODS } })
  endWith(problem, socket, form)
}

/** Answers a request that nothing else is done for, and ends its connection. */
export function refuse(response: ServerResponse, problem: Problem, basePath: string): void {
  const { status, headers, body } = messageOf(problem, { basePath, id: randomUUID() })
  response.statusCode = status
  response.setHeaders(new Map(Object.entries(headers))).end(body)
}

/** Ends the connection with a problem, after the answers to the good requests that came before. */
function endWith(problem: Problem, socket: HttpSocket, form: Form): void {
  const pending = socket._httpMessage
  if (!socket.writable || isStalled(problem, socket)) socket.destroy()
  else if (pending?.req.complete) endAfter(pending, () => endWith(problem, socket, form))
  else socket.end(textOf(messageOf(problem, form)))
}

/** Answers after which their connections end. */
const last = new WeakSet<ServerResponse>()

/** Once for each, for each further piece of what is no HTTP is told too. */
function endAfter(answer: ServerResponse, end: () => void): void {
  if (last.has(answer)) return
  last.add(answer)
  answer.once('finish', () => setImmediate(end))
}

/** Whether the client neither sends in time nor reads what it is sent. */
function isStalled(problem: Problem, socket: HttpSocket): boolean {
  return problem instanceof RequestTimeout && socket.writableLength > 0
}

interface Message {
  status: number
  headers: Record<string, string>
  body: string
}

function messageOf(problem: Problem, { basePath, id }: Form): Message {
  const { status, headers, document } = problemAnswer(problem, id, basePath)
  const body = JSON.stringify(document)
  const length = String(Buffer.byteLength(body))
  return { status, headers: { ...headers, 'content-length': length, connection: 'close' }, body }
}

function textOf({ status, headers, body }: Message): string {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...fields, '', body].join('\r\n')
}
