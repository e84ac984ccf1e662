import { randomUUID } from 'node:crypto'
import {
  createServer as createNodeServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  ServerResponse
} from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { Overloaded } from '../../schemas/errors.ts'
import type { FindBasePath } from '../base-path/paths.ts'
import { AccessLog, withCountedBytes } from './access-log.ts'
import { answerClientError, refuse, refuseTunnel, statusOf } from './bare-answers.ts'
import { Connection } from './connection.ts'
import { Load } from './load.ts'
import { watchSockets } from './open-sockets.ts'
import { isShared } from './shared.ts'
import { cutOffStalled } from './stalled.ts'

/** Smaller answers are not worth counting: the number of requests that are worked on bounds them. */
const LARGE = 32 * 1024

interface Options {
  http: ServerOptions
  keepAliveTimeout: number
  requestTimeout: number
  connectionTimeout: number
  /** Fastify puts in here what it has made of its own options. */
  logger: FastifyBaseLogger & { isLevelEnabled(level: string): boolean }
}

interface Own {
  findBasePath?: FindBasePath | undefined
  hasAccessLog?: boolean
}

/**
 * Makes Fastify's `serverFactory`: Node's HTTP server, in which no client can make the process keep more than it has room for. Requests of
 * one connection take turns, see `Connection`; beyond the bounds of `Load` they are answered 503; a client that
 * reads nothing for `connectionTimeout` ms, or twice that at the most, is cut off.
 */
export function serverFactory({ findBasePath = () => '', hasAccessLog = false }: Own = {}) {
  return (handle: RequestListener, options: Record<string, unknown>): Server =>
    createServer(handle, options as unknown as Options, { findBasePath, hasAccessLog })
}

function createServer(
  handle: RequestListener,
  options: Options,
  { findBasePath, hasAccessLog }: Required<Own>
): Server {
  const { http, keepAliveTimeout, requestTimeout, connectionTimeout, logger } = options
  const accessLog = hasAccessLog && logger.isLevelEnabled('info') ? new AccessLog(logger) : undefined
  const load = new Load()
  const connections = new WeakMap<Socket, Connection>()

  function connectionOf(socket: Socket): Connection {
    const known = connections.get(socket)
    if (known !== undefined) return known
    const connection = new Connection(socket, load, begin)
    connections.set(socket, connection)
    return connection
  }

  function begin(request: IncomingMessage, response: ServerResponse): void {
    const body = load.hasRoom() ? load.takeBody(bodyLength(request)) : undefined
    if (body === undefined) {
      sockets.noteBareAnswer(503)
      refuse(response, new Overloaded(), findBasePath(request))
    } else {
      if (body > 0) request.once('close', () => load.releaseBody(body))
      handle(request, response)
    }
  }

  class CountedResponse extends ServerResponse<IncomingMessage> {
    override end(body?: unknown, encoding?: unknown, whenSent?: unknown): this {
      const isLarge = (typeof body === 'string' || Buffer.isBuffer(body)) && body.length >= LARGE
      return super.end(isLarge ? count(this, body) : body, encoding as BufferEncoding, whenSent as () => void)
    }
  }

  /** The body in bytes; of a text the socket would make some of its own. */
  function count(response: ServerResponse, body: string | Buffer): Buffer {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    connectionOf(response.req.socket).noteAnswer(response, bytes.length, isShared(bytes) ? 0 : bytes.length)
    return bytes
  }

  const server = createNodeServer({
    ...http,
    ServerResponse: accessLog === undefined ? CountedResponse : withCountedBytes(CountedResponse),
    // A second Host or Authorization must be seen, see faults.ts, which refuses a missing Host too.
    joinDuplicateHeaders: true,
    requireHostHeader: false,
    shouldUpgradeCallback: () => false
  })
  const sockets = watchSockets(server, handle)
  cutOffStalled(server, sockets, connectionTimeout)
  return Object.assign(server, { keepAliveTimeout, requestTimeout })
    .on('request', (request, response) => {
      accessLog?.begin(request, response)
      if (response.socket !== null) begin(request, response)
      else connectionOf(request.socket).queue(request, response)
    })
    .on('checkExpectation', (request, response) => server.emit('request', request, response))
    .on('clientError', (error, socket) => {
      const id = randomUUID()
      const status = statusOf(error)
      sockets.noteBareAnswer(status)
      // Before it is answered, for then the socket may be closed.
      accessLog?.noteBare({ id, status }, socket as Socket)
      answerClientError(error, socket as Socket, { basePath: findBasePath(), id })
    })
    .on('connect', (request, socket) => {
      const id = randomUUID()
      sockets.noteBareAnswer(405)
      accessLog?.noteBare({ id, status: 405, method: request.method }, socket as Socket)
      refuseTunnel(request, socket as Socket, { basePath: findBasePath(request), id })
    })
}

/** The length that a body is to have; undefined where it is not known yet. */
function bodyLength({ headers }: IncomingMessage): number | undefined {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers
  return coding === undefined ? Number(length) : undefined
}
