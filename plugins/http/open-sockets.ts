import { Server as HttpServer, type RequestListener, type Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** A client that uses its connection at all uses it again within this time. */
const QUIET_MS = 1000
const LOOK_EVERY_MS = 50
/** Of the event loop, in each of which another connection has come. */
const MOST_TURNS = 100

/** All connections of a service, over however many addresses it listens on. */
export class OpenSockets {
  readonly #servers = new Set<Server>()
  readonly #sockets = new Set<Socket>()
  readonly #quiet = new WeakMap<Socket, { since: number; bytesRead: number }>()
  #whenGone: (() => void)[] = []
  #keepsIdle = false
  #isEnding = false

  /** Whether the service has begun to end. */
  get isEnding(): boolean {
    return this.#isEnding
  }

  [Symbol.iterator](): Iterator<Socket> {
    return this.#sockets.values()
  }

  /** Watches over the connections of this server too. */
  add(server: Server): void {
    this.#servers.add(server)
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#remove(socket))
    })
    server.close = (whenClosed) => {
      this.#close(server, whenClosed)
      return server
    }
  }

  /** From now on `close` leaves idle connections open: Node would end them, and with them a request that is on its way. */
  keepIdle(): void {
    this.#keepsIdle = true
  }

  /** The same, and ends each connection once it has been idle for a second. */
  letGo(): void {
    this.keepIdle()
    this.#isEnding = true
    const timer = setInterval(() => this.#endQuiet(), LOOK_EVERY_MS)
    this.gone().then(() => clearInterval(timer))
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

  #endQuiet(): void {
    const now = performance.now()
    const idle = this.#idle()
    for (const socket of this.#sockets) {
      const { bytesRead } = socket
      const known = this.#quiet.get(socket)
      if (!idle.has(socket)) this.#quiet.delete(socket)
      else if (known?.bytesRead !== bytesRead) this.#quiet.set(socket, { since: now, bytesRead })
      else if (now - known.since >= QUIET_MS) socket.destroy()
    }
  }

  /** Node alone knows in which connections a request has begun, and tells by which it would end. */
  #idle(): Set<Socket> {
    const idle = new Set<Socket>()
    for (const socket of this.#sockets) {
      if (socket.bytesRead === 0) idle.add(socket)
      socket.destroy = () => idle.add(socket) && socket
    }
    for (const server of this.#servers) server.closeIdleConnections()
    for (const socket of this.#sockets) {
      Reflect.deleteProperty(socket, 'destroy')
      if (socket.writableLength > 0) idle.delete(socket)
    }
    return idle
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
