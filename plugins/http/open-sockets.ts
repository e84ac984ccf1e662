import { Server as HttpServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** A client that uses its connection at all uses it again within this time. */
const QUIET_MS = 1000
/** Of the event loop, in each of which another connection has come. */
const MOST_TURNS = 100

/** All connections of a service, over however many addresses it listens on. */
export class OpenSockets {
  readonly #servers = new Set<Server>()
  readonly #sockets = new Set<Socket>()
  /** Answers of a connection leave in the order of its requests, so that the last one tells whether all have left. */
  readonly #lastAnswers = new WeakMap<Socket, ServerResponse>()
  /** How many requests were refused before they got as far as Fastify, by status. */
  readonly bareAnswers: Record<string, number> = { 400: 0, 405: 0, 408: 0, 431: 0, 503: 0 }
  #whenGone: (() => void)[] = []
  #keepsIdle = false
  #isEnding = false

  /** Whether the service has begun to end. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  noteBareAnswer(status: number | undefined): void {
    if (status !== undefined) this.bareAnswers[status] = (this.bareAnswers[status] ?? 0) + 1
  }

  get count(): number {
    return this.#sockets.size
  }

  /** On how many of them a request is being answered; looked at one by one, which costs requests nothing. */
  countAnswering(): number {
    let count = 0
    for (const socket of this.#sockets)
      if (this.#lastAnswers.get(socket)?.writableFinished === false) count += 1
    return count
  }

  [Symbol.iterator](): Iterator<Socket> {
    return this.#sockets.values()
  }

  /** Watches over the connections of this server too. */
  add(server: Server): void {
    this.#servers.add(server)
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      if (this.#isEnding) socket.setTimeout(QUIET_MS)
      socket.once('close', () => this.#remove(socket))
    })
    server.on('request', ({ socket }, response) => this.#lastAnswers.set(socket, response))
    server.close = (whenClosed) => {
      this.#close(server, whenClosed)
      return server
    }
  }

  /** From now on `close` leaves idle connections open: Node would end them, and with them a request that is on its way. */
  keepIdle(): void {
    this.#keepsIdle = true
  }

  /** The same, and ends each connection once nothing is being answered on it and no byte has come or gone for a second. */
  letGo(): void {
    this.keepIdle()
    this.#isEnding = true
    for (const server of this.#servers) {
      // Of an answer that began before, and so could not say that it is the last.
      server.keepAliveTimeout = QUIET_MS
      // Without a listener Node ends even a connection on which something is being answered.
      server.on('timeout', (socket) => this.#endIfIdle(socket))
    }
    for (const socket of this.#sockets) socket.setTimeout(QUIET_MS)
  }

  /** Resolves when there is none left. */
  async gone(): Promise<void> {
    if (this.#sockets.size > 0) await new Promise<void>((resolve) => this.#whenGone.push(resolve))
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #remove(socket: Socket): void {
    this.#sockets.delete(socket)
    if (this.#sockets.size > 0) return
    for (const resolve of this.#whenGone) resolve()
    this.#whenGone = []
  }

  async #close(server: Server, whenClosed?: (error?: Error) => void): Promise<void> {
    if (!this.#keepsIdle) HttpServer.prototype.close.call(server, whenClosed)
    else {
      await noneArrives(server)
      NetServer.prototype.close.call(server, whenClosed)
    }
  }

  async #endIfIdle(socket: Socket): Promise<void> {
    const { bytesRead } = socket
    // After a long turn of the event loop its timers come before what has arrived meanwhile.
    await nextTurn()
    const isAnswered = this.#lastAnswers.get(socket)?.writableFinished ?? true
    if (isAnswered && socket.bytesRead === bytesRead) socket.destroy()
  }
}

/** The system resets the connections that it has made and nobody has accepted when nobody listens any more. */
async function noneArrives(server: Server): Promise<void> {
  let hasArrived = true
  const note = () => {
    hasArrived = true
  }
  server.on('connection', note)
  // The first turn may have looked for connections before.
  await nextTurn()
  for (let turn = 0; hasArrived && turn < MOST_TURNS; turn++) {
    hasArrived = false
    await nextTurn()
  }
  server.off('connection', note)
}

const byHandler = new WeakMap<RequestListener, OpenSockets>()
const byServer = new WeakMap<Server, OpenSockets>()

/** Fastify makes several servers with the same handler where a name stands for several addresses. */
export function watchSockets(server: Server, handle: RequestListener): OpenSockets {
  const sockets = byHandler.get(handle) ?? new OpenSockets()
  byHandler.set(handle, sockets)
  byServer.set(server, sockets)
  sockets.add(server)
  return sockets
}

/** The connections of a server that `createServer` has made. */
export function openSocketsOf(server: Server): OpenSockets {
  return byServer.get(server) as OpenSockets
}
