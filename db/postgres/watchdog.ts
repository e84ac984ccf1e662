import { Connection, type Server } from './connection.ts'
import { isFull } from './errors.ts'

const LOOK_EVERY_MS = 1000
const LONG_MS = 3000

/**
 * Gives connections up that will never answer: of a network that was cut, or a server that was switched off, nothing comes that says so.
 * Who is silent for long is asked about on another connection: a statement that takes long is no reason.
 */
export class Watchdog {
  readonly #server: Server
  readonly #connections: () => readonly Connection[]
  readonly #timer: NodeJS.Timeout
  #isLooking = false

  constructor(server: Server, connections: () => readonly Connection[]) {
    this.#server = server
    this.#connections = connections
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    const silent = this.#connections().filter((connection) => connection.silentMs > LONG_MS)
    if (silent.length === 0 || this.#isLooking) return
    this.#isLooking = true
    const working = await this.#workingAmong(silent)
    for (const connection of silent) {
      // It may have answered meanwhile.
      if (!working.has(connection.processId) && connection.silentMs > LONG_MS)
        connection.giveUp('the database does not answer')
    }
    this.#isLooking = false
  }

  /**
   * The processes that are at a statement; none when the server cannot be reached. Nobody knows behind a pooler, or of a server that lets
   * nobody in: then they may be.
   */
  async #workingAmong(connections: Connection[]): Promise<Set<number>> {
    const processes = connections.map(({ processId }) => processId)
    try {
      const probe = await Connection.open(this.#server, { name: 'looks' })
      try {
        if (!this.#server.prepares) return new Set(processes)
        const sql = `select pid from pg_stat_activity where pid = any($1::int[]) and state not like 'idle%'`
        const { rows } = await probe.run({ sql, parameters: [processes] }, LONG_MS)
        return new Set((rows as { pid: number }[]).map(({ pid }) => pid))
      } finally {
        await probe.close()
      }
    } catch (error) {
      return new Set(isFull(error) ? processes : [])
    }
  }
}
