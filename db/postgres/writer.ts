import { setTimeout as sleep } from 'node:timers/promises'
import { Kysely } from 'kysely'
import type { Call } from '../command.ts'
import { runCall } from '../door.ts'
import { DatabaseUnavailable } from '../refusals.ts'
import type { Tables } from '../tables.ts'
import { type BatchResult, CommitUnknown, type Outcome, runBatch } from './batch.ts'
import { Connection, type Server } from './connection.ts'
import { RunnerDialect } from './dialect.ts'
import { isConflict, isLost } from './errors.ts'
import type { PostgresEvent } from './events.ts'
import type { Transaction } from './transaction.ts'

/** Calls that wait or are run. */
const MOST_PENDING = 10_000
const MOST_TRIES = 5
const LONGEST_PAUSE_MS = 100
/** So long the server may need to notice that the connection of a transaction is gone. */
const LONGEST_PROGRESS_MS = 10_000

interface Pending extends PromiseWithResolvers<unknown> {
  call: Call
}

/**
 * Runs the commands of this process on one connection, in batches. A batch that a conflict or a lost connection has undone is run again,
 * which nobody notices: commands do the same when they are run again. Whether a commit happened at which the connection was lost is asked
 * of the server.
 */
export class Writer {
  readonly #server: Server
  readonly #signal: (event: PostgresEvent) => void
  readonly #db = new Kysely<Tables>({ dialect: new RunnerDialect(() => this.#transaction as Transaction) })
  #connection: Connection | undefined
  #transaction: Transaction | undefined
  #pending: Pending[] = []
  #isClosed = false
  #work: Promise<void> | undefined
  #isWorking = false

  constructor(server: Server, signal: (event: PostgresEvent) => void) {
    this.#server = server
    this.#signal = signal
  }

  /** The output of a call, once it is on the disk. Throws the command's `Problem`, or `DatabaseUnavailable`. */
  run(call: Call): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new DatabaseUnavailable('the database is not open'))
    if (this.#pending.length >= MOST_PENDING)
      return Promise.reject(new DatabaseUnavailable('too many writes wait'))
    const pending = { ...Promise.withResolvers<unknown>(), call }
    this.#pending.push(pending)
    if (!this.#isWorking) this.#work = this.#workOff()
    return pending.promise
  }

  /** Resolves when all that was called is done. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#work
    await this.#connection?.close()
  }

  async #workOff(): Promise<void> {
    this.#isWorking = true
    // Those of one tick come together.
    await new Promise(setImmediate)
    while (this.#pending.length > 0) {
      try {
        this.#settle(await this.#nextBatch())
      } catch (error) {
        this.#failAll(error)
      }
    }
    this.#isWorking = false
  }

  async #nextBatch(): Promise<BatchResult> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#tryBatch()
      } catch (error) {
        if (tries === MOST_TRIES || !(isConflict(error) || this.#connection?.isLost === true)) throw error
        await sleep(Math.random() * LONGEST_PAUSE_MS * tries)
      }
    }
  }

  async #tryBatch(): Promise<BatchResult> {
    const connection = await this.#connected()
    try {
      return await runBatch(
        connection,
        () => this.#pending.map(({ call }) => call),
        (transaction, call) => {
          this.#transaction = transaction
          return runCall(this.#db, call)
        }
      )
    } catch (error) {
      if (!(error instanceof CommitUnknown)) throw error
      return this.#findOut(error)
    }
  }

  async #connected(): Promise<Connection> {
    if (this.#connection === undefined || this.#connection.isLost) {
      this.#connection = await Connection.open(this.#server, { name: 'writes' })
    }
    return this.#connection
  }

  /** Whether the transaction was committed (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT). Throws when it was not. */
  async #findOut({ transactionId, outcomes, cause }: CommitUnknown): Promise<BatchResult> {
    const until = performance.now() + LONGEST_PROGRESS_MS
    const connection = await this.#connected()
    for (;;) {
      const { rows } = await connection.run({
        sql: 'select pg_xact_status($1::xid8) as status',
        parameters: [transactionId]
      })
      const { status } = rows[0] as { status: string | null }
      if (status === 'committed') return { outcomes, lockMs: 0, commitMs: 0 }
      if (status !== 'in progress' || performance.now() > until) throw cause
      await sleep(LONGEST_PAUSE_MS)
    }
  }

  #settle({ outcomes, lockMs, commitMs }: BatchResult): void {
    const done = this.#pending.splice(0, outcomes.length)
    this.#signal({ event: 'batch', calls: done.length, lockMs, commitMs, waiting: this.#pending.length })
    for (const [index, { resolve, reject }] of done.entries()) {
      const outcome = outcomes[index] as Outcome
      if ('error' in outcome) reject(outcome.error)
      else resolve(outcome.output)
    }
  }

  #failAll(error: unknown): void {
    const reason = (error as Error).message
    this.#signal({ event: 'batch_failed', reason, calls: this.#pending.length })
    const failure = isLost(error) ? new DatabaseUnavailable(reason) : error
    for (const { reject } of this.#pending.splice(0)) reject(failure)
  }
}
