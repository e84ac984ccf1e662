import { DatabaseUnavailable } from '../../refusals.ts'
import { Connection, type ConnectionUse, type Server } from '../connection.ts'

/** Behind so many statements on one connection it is worth to open another. */
const FEW_PENDING = 16
/** Who waits for so long for one answer waits behind a statement that takes long. */
const STUCK_MS = 10
/** For so long after a failure no other connection is tried. */
const PAUSE_MS = 250

export interface LaneOptions {
  server: Server
  use: ConnectionUse
  most: number
  whenLost: () => void
}

/** Up to so many connections for one use, each with many statements under way. */
export class Lane {
  readonly #options: LaneOptions
  readonly #open: Connection[] = []
  #opening: Promise<Connection> | undefined
  #failure: { error: unknown; at: number } | undefined
  #isClosed = false

  constructor(options: LaneOptions) {
    this.#options = options
  }

  get connections(): readonly Connection[] {
    return this.#open
  }

  /** The connection that will come to a statement first. Throws `CannotConnect`. */
  choose(): Connection | Promise<Connection> {
    const least = this.#least()
    if (least === undefined) return this.#another()
    const hasRoom = this.#open.length < this.#options.most
    if (!hasRoom || this.#recentFailure !== undefined) return least
    if (least.silentMs > STUCK_MS) return this.#another().catch(() => least)
    if (least.pending > FEW_PENDING) this.#another().catch(() => {})
    return least
  }

  /**
   * A new connection, for what was lost with another: those that are there may have been lost in the same moment, and not know it yet.
   * Where none can be opened, one of them. Throws `CannotConnect`.
   */
  async chooseNew(): Promise<Connection> {
    if (this.#open.length >= this.#options.most) return this.choose()
    return this.#another().catch((error) => this.#least() ?? Promise.reject(error))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opening?.catch(() => {})
    await Promise.all([...this.#open].map((connection) => connection.close()))
  }

  /** One that is stuck is the last choice. */
  #least(): Connection | undefined {
    let least: Connection | undefined
    let leastLoad = Number.POSITIVE_INFINITY
    for (const connection of this.#open) {
      const { pending } = connection
      const load = pending === 0 ? 0 : pending + (connection.silentMs > STUCK_MS ? 1e6 : 0)
      if (load < leastLoad) [least, leastLoad] = [connection, load]
    }
    return least
  }

  get #recentFailure() {
    const failure = this.#failure
    return failure !== undefined && performance.now() < failure.at + PAUSE_MS ? failure : undefined
  }

  async #another(): Promise<Connection> {
    if (this.#isClosed) throw new DatabaseUnavailable('the database is closed')
    if (this.#recentFailure !== undefined) throw this.#recentFailure.error
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #connect(): Promise<Connection> {
    try {
      const { server, use, whenLost } = this.#options
      const connection = await Connection.open(server, use)
      this.#failure = undefined
      this.#open.push(connection)
      connection.onLost(() => {
        this.#open.splice(this.#open.indexOf(connection), 1)
        whenLost()
      })
      return connection
    } catch (error) {
      this.#failure = { error, at: performance.now() }
      throw error
    }
  }
}
