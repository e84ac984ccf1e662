import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import type { Test } from 'tap'

/** A way to a server that can be cut: connections stay open and nothing comes through, or they are reset. */
export class Tunnel {
  readonly #server: net.Server
  readonly #target: () => { host: string; port: number }
  readonly #pairs = new Set<[Socket, Socket]>()
  #isCut = false
  /** Called with what a client sends, before it is passed on; nothing is passed on when it gives false. */
  whenSent: (data: Buffer, client: Socket) => boolean = () => true
  /** The same for what the server answers. */
  whenAnswered: (data: Buffer, client: Socket) => boolean = () => true

  static async open(t: Test, target: () => { host: string; port: number }): Promise<Tunnel> {
    const proxy = new Tunnel(target)
    t.teardown(() => proxy.close())
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(target: () => { host: string; port: number }) {
    this.#target = target
    this.#server = net.createServer((client) => this.#connect(client))
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  /** The same database by way of this. */
  urlOf(databaseUrl: string): string {
    const url = new URL(databaseUrl)
    url.port = String(this.port)
    return url.href
  }

  /** From now on nothing comes through. */
  cut(): void {
    this.#isCut = true
  }

  /** What was on its way is gone, as are the connections, unless they are to be silent for ever. */
  mend({ staySilent = false } = {}): void {
    this.#isCut = false
    if (!staySilent) this.reset()
  }

  reset(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  #connect(client: Socket): void {
    const server = net.connect(this.#target())
    const pair: [Socket, Socket] = [client, server]
    // One that came while all was cut is never answered.
    const isDead = this.#isCut
    this.#pairs.add(pair)
    const end = () => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    let wasCut = isDead
    client.on('data', (data) => {
      wasCut ||= this.#isCut
      if (!wasCut && this.whenSent(data, client)) server.write(data)
    })
    server.on('data', (data) => {
      wasCut ||= this.#isCut
      if (!wasCut && this.whenAnswered(data, client)) client.write(data)
    })
  }
}
