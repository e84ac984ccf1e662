import type { Duplex } from 'node:stream'
import pg from 'pg'
import { DatabaseUnavailable } from '../refusals.ts'
import { AnswerTimes } from './answer-times.ts'
import { CannotConnect, isLost, isOfServer, isStale, isUnavailable } from './errors.ts'
import type { Server, Settings } from './server.ts'
import type { Address } from './server-url.ts'
import { StatementNames } from './statement-names.ts'
import { storable, TYPES } from './values.ts'
import { holdsBack } from './writing/holding-back.ts'

export { type Server, serverOf } from './server.ts'

/** Of no kind of its own, or because the connection is to end: such are those of a commit that a standby has not got. */
const WARNING = /^(01000|57P01)$/
const LONGEST_ANSWER_MS = 60_000
const LONGEST_CLOSE_MS = 10_000

export interface Statement {
  sql: string
  parameters: readonly unknown[]
  /** Who sends it need not wait for its answer. */
  resultIsUnused?: boolean
}

export interface Result {
  command: string
  rowCount: number | null
  rows: unknown[]
}

export interface ConnectionUse {
  /** For logs and `pg_stat_activity`. */
  name: string
  /** Of the server, for all that the connection does. */
  settings?: Settings
}

/** One connection, on which statements are sent without waiting for the answers of those before them. Once it is lost it stays so, so that no statement of a transaction ever runs outside of it. */
export class Connection {
  readonly #client: pg.Client
  readonly #names: StatementNames | undefined
  readonly #times = new AnswerTimes()
  #lost: Error | undefined
  #whenLost = () => {}
  #warnings = 0
  readonly #holdBack = holdsBack()
  /** As `performance.now()` says. */
  readonly openedAt = performance.now()

  private constructor(client: pg.Client, prepares: boolean) {
    this.#client = client
    this.#names = prepares ? new StatementNames() : undefined
    client.on('error', ({ message }) => this.giveUp(message))
    client.on('notice', ({ code = '' }) => {
      if (WARNING.test(code)) this.#warnings += 1
    })
    client.on('end', () => this.#lose(new DatabaseUnavailable('the connection to the database ended')))
  }

  /** Connects to the server that takes writes, wherever that is by now. Throws `CannotConnect`. */
  static async open(server: Server, use: ConnectionUse): Promise<Connection> {
    let failure: unknown
    for (const address of [...server.addresses]) {
      try {
        const connection = await Connection.#openAt(server, address, use)
        server.prefer(address)
        return connection
      } catch (error) {
        failure = new CannotConnect(address, error)
        // Who is refused by one server need not try the others.
        if (!isUnavailable(error)) break
      }
    }
    throw failure
  }

  static async #openAt(server: Server, address: Address, use: ConnectionUse): Promise<Connection> {
    const config = { ...server.configFor(address, use.name), pipeline: true, types: TYPES }
    const client = new pg.Client(config as pg.ClientConfig)
    const connection = new Connection(client, server.prepares)
    try {
      await client.connect()
      await connection.#begin(server.settingsFor(use.settings), server.connectTimeoutMs)
      return connection
    } catch (error) {
      connection.giveUp((error as Error).message)
      throw error
    }
  }

  get isLost(): boolean {
    return this.#lost !== undefined
  }

  get pending(): number {
    return this.#times.pending
  }

  /** How often the server has warned of something. */
  get warnings(): number {
    return this.#warnings
  }

  /** For so many milliseconds the server has left a statement without an answer. */
  get silentMs(): number {
    return this.#times.silentMs
  }

  /** Of the process that serves it; behind a pooler the pooler's own. */
  get processId(): number {
    return (this.#client as unknown as { processID: number }).processID
  }

  /**
   * Runs one statement. The connection is given up when no answer comes within so many milliseconds. `hear` learns how long the server
   * took for it, without what it waited for those before it.
   */
  run({ sql, parameters }: Statement, longestMs?: number, hear?: (ms: number) => void): Promise<Result> {
    const prepared = this.#names?.of(sql)
    const config = { name: prepared?.name ?? '', text: sql, values: parameters.map(storable) }
    const noteAnswer = (ms: number, isGood: boolean) => {
      prepared?.noteAnswer(isGood)
      hear?.(ms)
    }
    return this.#query(config, longestMs, noteAnswer) as Promise<Result>
  }

  /** Several statements without parameters in one round trip; gives the result of the last. */
  async runAll(statements: string[], longestMs?: number): Promise<Result> {
    const results = await this.#query(statements.join('; '), longestMs)
    return Array.isArray(results) ? (results.at(-1) as Result) : results
  }

  /** Calls `hear` whenever something is sent on this channel. */
  async listen(channel: string, hear: () => void): Promise<void> {
    this.#client.on('notification', hear)
    await this.runAll([`listen ${channel}`])
  }

  onLost(callback: () => void): void {
    this.#whenLost = callback
  }

  /** Does not wait for the server, which may not answer: all that waits is rejected as lost. */
  giveUp(reason: string): void {
    this.#lose(new DatabaseUnavailable(reason))
    this.#stream.destroy()
  }

  /** Resolves when the server has answered all, or has had time enough to. */
  async close(): Promise<void> {
    if (this.isLost) return
    this.#lose(new DatabaseUnavailable('the database is closed'))
    const overdue = setTimeout(() => this.giveUp('it did not close'), LONGEST_CLOSE_MS)
    await this.#client.end().catch(() => {})
    clearTimeout(overdue)
  }

  #query(
    config: string | pg.QueryConfig,
    longestMs = LONGEST_ANSWER_MS,
    noteAnswer?: (ms: number, isGood: boolean) => void
  ): Promise<Result | Result[]> {
    if (this.#lost !== undefined) return Promise.reject(new DatabaseUnavailable(this.#lost.message))
    const { promise, resolve, reject } = Promise.withResolvers<Result | Result[]>()
    const overdue = setTimeout(() => this.giveUp(`no answer within ${longestMs} ms`), longestMs)
    this.#times.noteSent()
    this.#holdBack(this.#stream)
    this.#client.query(config as string, (error: Error | null, result: unknown) => {
      clearTimeout(overdue)
      const isGood = error === null || error === undefined
      const ms = this.#times.noteAnswer()
      noteAnswer?.(ms, isGood)
      if (isGood) return resolve(result as Result)
      if (isLost(error) || isStale(error)) this.giveUp(error.message)
      reject(
        this.isLost && !isOfServer(error) ? new DatabaseUnavailable(error.message, { cause: error }) : error
      )
    })
    return promise
  }

  get #stream(): Duplex {
    return (this.#client as unknown as { connection: { stream: Duplex } }).connection.stream
  }

  /** Throws for a standby. */
  async #begin(settings: string[], longestMs: number): Promise<void> {
    const { rows } = await this.runAll([...settings, 'select pg_is_in_recovery() as standby'], longestMs)
    if ((rows[0] as { standby: boolean }).standby)
      throw new DatabaseUnavailable('it is a standby, which takes no writes')
  }

  #lose(error: Error): void {
    if (this.#lost !== undefined) return
    this.#lost = error
    this.#whenLost()
  }
}
