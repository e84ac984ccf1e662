import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, type Server } from './connection.ts'
import { CHANNEL } from './transaction.ts'

/** Without notifications it is looked so often whether something was written, */
const LOOK_EVERY_MS = 50
/** and with them so often, for what was written by hand. */
const LOOK_ANYWAY_EVERY_MS = 1000
/** A connection that is cut says nothing, as one does on which nothing happens. */
const ASK_EVERY_MS = 5000
const LONGEST_PAUSE_MS = 1000

/**
 * Tells when something may have been written, on a connection of its own. Behind a pooler that gives each transaction another connection
 * there are no notifications: then it is to be looked all the time.
 */
export class Listener {
  readonly #server: Server
  readonly #hearers = new Set<() => void>()
  readonly #end = new AbortController()
  #connection: Connection | undefined
  #listening: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #toldAt = 0

  constructor(server: Server) {
    this.#server = server
  }

  get isConnected(): boolean {
    return this.#connection?.isLost === false
  }

  /** Calls `hear` until the function that it gives is called. */
  add(hear: () => void): () => void {
    this.#hearers.add(hear)
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS)
    if (this.#server.prepares) this.#listening ??= this.#listen()
    return () => {
      this.#hearers.delete(hear)
      if (this.#hearers.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#end.abort()
    this.#connection?.giveUp('the database is closed')
    await this.#listening
  }

  #look(): void {
    if (!this.isConnected || performance.now() > this.#toldAt + LOOK_ANYWAY_EVERY_MS) this.#tell()
  }

  #tell(): void {
    this.#toldAt = performance.now()
    for (const hear of this.#hearers) hear()
  }

  /** Until the end, on one connection after another. */
  async #listen(): Promise<void> {
    const { signal } = this.#end
    while (!signal.aborted) {
      await this.#listenOnce().catch(() => this.#connection?.giveUp('it does not listen'))
      await sleep(Math.random() * LONGEST_PAUSE_MS, undefined, { signal }).catch(() => {})
    }
  }

  async #listenOnce(): Promise<void> {
    const connection = await Connection.open(this.#server, { name: 'listens' })
    this.#connection = connection
    const lost = new Promise<void>((resolve) => connection.onLost(resolve))
    if (this.#end.signal.aborted) connection.giveUp('the database is closed')
    await connection.listen(CHANNEL, () => this.#tell())
    // Something may have been written before.
    this.#tell()
    const ask = () => connection.runAll(['select 1'], ASK_EVERY_MS).catch(() => {})
    const asking = setInterval(ask, ASK_EVERY_MS).unref()
    await lost
    clearInterval(asking)
  }
}
