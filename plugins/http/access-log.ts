import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { parseAddress } from '../client-address/addresses.ts'

type ResponseClass = typeof ServerResponse<IncomingMessage>

/** A socket of Node's HTTP server knows the answer that it has to send next. */
type HttpSocket = Socket & { _httpMessage?: ServerResponse | null }

/** An answer that went past Fastify. */
export interface BareAnswer {
  id: string
  status: number | undefined
  method?: string | undefined
}

/** A request that is being answered. */
interface Entry {
  response: ServerResponse
  /** On the clock of `performance.now()`. */
  begun: number
  /** Taken at the beginning, for a socket that is closed has none. */
  address: string | undefined
  /** Of the answer's body, as it was given to the connection. */
  bytes: number
  request?: FastifyRequest
  bare?: BareAnswer
}

const entries = new WeakMap<IncomingMessage, Entry>()

/** Lets the line of a request tell what Fastify knows of it. */
export function noteRequest(request: FastifyRequest): void {
  const entry = entries.get(request.raw)
  if (entry === undefined || entry.request !== undefined) return
  entry.request = request
  // Where Fastify could not read the address of the request, its plugins have no part in it.
  entry.address = request.clientAddress ?? entry.address
}

/**
 * One line for each request that comes over a socket, once its answer has left or its connection has ended: also for one that no route takes, and for one
 * that Node could not read. It has the template of the route and never the path, whose ids, nor the query, whose words, are the client's own.
 */
export class AccessLog {
  readonly #log: FastifyBaseLogger
  /** The requests of a connection that are being answered: several, where its client does not wait for one. */
  readonly #open = new WeakMap<Socket, Set<Entry>>()

  constructor(log: FastifyBaseLogger) {
    this.#log = log
  }

  begin(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const entry = { response, begun: performance.now(), address: socket.remoteAddress, bytes: 0 }
    entries.set(request, entry)
    const open = this.#openOf(socket)
    open.add(entry)
    response.once('finish', () => {
      if (open.delete(entry)) this.#tell(entry)
    })
  }

  /** Notes an answer that the socket was sent without a response: to the request that is still coming in, or to what never became one. */
  noteBare(bare: BareAnswer, socket: HttpSocket): void {
    // To one that is ended already nothing more is sent.
    if (bare.status === undefined || !socket.writable) return
    const pending = socket._httpMessage?.req
    const entry = pending?.complete === false ? entries.get(pending) : undefined
    if (entry === undefined) this.#tellBare(bare, socket)
    else entry.bare ??= bare
  }

  #openOf(socket: Socket): Set<Entry> {
    const known = this.#open.get(socket)
    if (known !== undefined) return known
    const open = new Set<Entry>()
    this.#open.set(socket, open)
    socket.once('close', () => {
      for (const entry of open) this.#tell(entry, entry.bare === undefined)
      open.clear()
    })
    return open
  }

  #tell(entry: Entry, isCutOff = false): void {
    const { response, request, begun, bare } = entry
    const { statusCode, headersSent, req } = response
    this.#log.info(
      {
        event: 'request',
        reqId: bare?.id ?? request?.id ?? response.getHeader('x-request-id'),
        method: req.method,
        route: request?.routeOptions.url,
        // Of an answer that was never begun there is none.
        status: bare?.status ?? (headersSent ? statusCode : undefined),
        ms: Math.round((performance.now() - begun) * 100) / 100,
        bytes: bytesOf(entry),
        address: parseAddress(entry.address),
        user_id: request?.user?.id,
        auth: authOf(request?.user),
        trace_id: request?.traceId,
        ...(isCutOff && { cut_off: true })
      },
      'request'
    )
  }

  #tellBare({ id, status, method }: BareAnswer, socket: Socket): void {
    const address = parseAddress(socket.remoteAddress)
    this.#log.info({ event: 'request', reqId: id, method, status, address }, 'request')
  }
}

/** How the user was known. */
function authOf(user: FastifyRequest['user'] | null | undefined): string | undefined {
  if (user?.keyHash !== undefined) return 'key'
  if (user?.sessionId !== undefined) return 'token'
  return user?.passwordHash === undefined ? undefined : 'password'
}

/** What still waits in the process of an answer that was cut off has not been sent. */
function bytesOf({ bytes, response }: Entry): number {
  const { writableFinished, writableLength, req, statusCode } = response
  if (req.method === 'HEAD' || statusCode === 204 || statusCode === 304) return 0
  return writableFinished ? bytes : Math.max(0, bytes - writableLength)
}

/** The same class of answers, which counts the bytes of their bodies. */
export function withCountedBytes(Response: ResponseClass): ResponseClass {
  return class extends Response {
    override write(chunk: unknown, encoding?: unknown, whenWritten?: unknown): boolean {
      count(this, chunk)
      return super.write(chunk, encoding as BufferEncoding, whenWritten as () => void)
    }

    override end(chunk?: unknown, encoding?: unknown, whenSent?: unknown): this {
      count(this, chunk)
      return super.end(chunk, encoding as BufferEncoding, whenSent as () => void)
    }
  }
}

function count({ req }: ServerResponse, chunk: unknown): void {
  const entry = entries.get(req)
  if (entry !== undefined && (typeof chunk === 'string' || chunk instanceof Uint8Array))
    entry.bytes += Buffer.byteLength(chunk)
}
