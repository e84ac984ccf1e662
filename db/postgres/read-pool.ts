import type { Connection, Result, Server, Statement } from './connection.ts'
import { Lane } from './writing/lane.ts'
import { SlowKinds } from './writing/slow-kinds.ts'

const LONGEST_READ_MS = 30_000
const MOST_TRIES = 3
/** After so long none is asked once more: who asked has waited enough. */
const PATIENCE_MS = 5000

const READING = /^\s*(select|with|explain)\b/i

/** For the connection as a whole; `statement_timeout` also ends on the server what nobody waits for any more. */
const SETTINGS = { default_transaction_read_only: 'on', statement_timeout: LONGEST_READ_MS }

/**
 * Connections for reading, each with many statements under way. Statements that take long have some of their own, so that others do not
 * wait behind them. What a lost connection leaves without an answer is asked once more.
 */
export class ReadPool {
  readonly #slowKinds = new SlowKinds()
  readonly #quick: Lane
  readonly #slow: Lane

  /** `whenLost` is called when the server may be another one from then on. */
  constructor(server: Server, most: number, whenLost = () => {}) {
    const mostSlow = most === 1 ? 0 : Math.max(1, Math.floor(most / 3))
    const lane = (name: string, mostOfIt: number) =>
      new Lane({ server, use: { name, settings: SETTINGS }, most: mostOfIt, whenLost })
    this.#quick = lane('reads', most - mostSlow)
    this.#slow = mostSlow === 0 ? this.#quick : lane('long reads', mostSlow)
  }

  get connections(): readonly Connection[] {
    return [...this.#quick.connections, ...this.#slow.connections]
  }

  /** Of the connections that are open. */
  get counts() {
    const long = this.#slow === this.#quick ? 0 : this.#slow.connections.length
    return { reads: this.#quick.connections.length, 'long reads': long }
  }

  async run(statement: Statement): Promise<Result> {
    const { sql } = statement
    // Where it can: what only looks like a read the server refuses.
    if (!READING.test(sql)) throw new TypeError('Only a command may write.')
    return this.#runOn(this.#slowKinds.isSlow(sql) ? this.#slow : this.#quick, statement)
  }

  /** For what everybody waits for: never behind what takes long. */
  runQuickly(statement: Statement): Promise<Result> {
    return this.#runOn(this.#quick, statement)
  }

  async #runOn(lane: Lane, statement: Statement): Promise<Result> {
    const { sql } = statement
    const begun = performance.now()
    for (let tries = 1; ; tries += 1) {
      const chosen = tries === 1 ? lane.choose() : lane.chooseNew()
      const connection = chosen instanceof Promise ? await chosen : chosen
      try {
        return await connection.run(statement, LONGEST_READ_MS, (ms) => this.#slowKinds.note(sql, ms))
      } catch (error) {
        const isLast = tries === MOST_TRIES || performance.now() > begun + PATIENCE_MS
        if (isLast || !connection.isLost) throw error
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#quick.close(), this.#slow.close()])
  }
}
