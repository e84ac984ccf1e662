import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, commandNamed } from '../command.ts'
import { runCall } from '../door.ts'
import { DatabaseUnavailable } from '../refusals.ts'
import { type BatchResult, CommitUnknown, type Outcome, runBatch, TookTooLong } from './batch.ts'
import { CannotConnect, Connection, type Server } from './connection.ts'
import { isConflict, isUnavailable } from './errors.ts'
import type { PostgresEvent } from './events.ts'
import { fateOf } from './fate.ts'
import { NotReplicated, type Prepare } from './transaction.ts'

/** Calls that wait or are run. */
const MOST_PENDING = 10_000
const MOST_TRIES = 5
/** After so long nothing is tried again, unless it may take longer by itself. */
const PATIENCE_MS = 5000
const LONGEST_PAUSE_MS = 100

interface Pending extends PromiseWithResolvers<unknown> {
  call: Call
}

export interface WriterOptions {
  server: Server
  signal: (event: PostgresEvent) => void
  /** A connection that was open before this moment, and still is. */
  openedBefore: (moment: number) => Connection | undefined
  /** With which each transaction begins. */
  prepare?: Prepare | undefined
  /** After so long nothing is tried again. */
  patienceMs?: number | undefined
}

/**
 * Runs the commands of this process on one connection, in batches. A batch that a conflict or a lost connection has undone is run again,
 * which nobody notices: commands do the same when they are run again (invariant 5 of docs/architecture.md).
 */
export class Writer {
  readonly #options: WriterOptions
  readonly #pending: Pending[] = []
  #connection: Connection | undefined
  #isClosed = false
  #work: Promise<void> = Promise.resolve()
  #isWorking = false
  /** So many of the next calls get a commit of their own. */
  #alone = 0

  constructor(options: WriterOptions) {
    this.#options = options
  }

  /** Where a statement may wait for an answer that never comes. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /** The output of a call, once it is on the disk. Throws the command's `Problem`, or `DatabaseUnavailable`. */
  async run(call: Call): Promise<unknown> {
    commandNamed(call.command)
    if (this.#isClosed) throw new DatabaseUnavailable('the database is not open')
    if (this.#pending.length >= MOST_PENDING) throw new DatabaseUnavailable('too many writes wait')
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
    while (this.#pending.length > 0) await this.#workOnce()
    this.#isWorking = false
  }

  /** Some of those that wait have their answers after it. */
  async #workOnce(): Promise<void> {
    const { patienceMs = PATIENCE_MS } = this.#options
    const begun = performance.now()
    for (let tries = 1; ; tries += 1) {
      try {
        return this.#settle(await this.#runBatch())
      } catch (error) {
        if (error instanceof TookTooLong) return this.#settleOne(error)
        const isLast = tries === MOST_TRIES || performance.now() > begun + patienceMs
        if (isLast || !this.#isWorthAnotherTry(error)) return this.#failAll(error)
        this.#options.signal({ event: 'batch_retried', reason: (error as Error).message })
        await sleep(Math.random() * LONGEST_PAUSE_MS * tries)
      }
    }
  }

  #isWorthAnotherTry(error: unknown): boolean {
    return isConflict(error) || error instanceof CannotConnect || this.#connection?.isLost === true
  }

  async #runBatch(): Promise<BatchResult> {
    const waiting = () => this.#pending.map(({ call }) => call)
    const { prepare } = this.#options
    const mostCalls = this.#alone > 0 ? 1 : Number.POSITIVE_INFINITY
    try {
      const connection = await this.#connected()
      const result = await runBatch({ connection, waiting, runCall, mostCalls, prepare })
      this.#alone = Math.max(0, this.#alone - 1)
      return result
    } catch (error) {
      if (error instanceof CommitUnknown) return this.#resultOf(error)
      throw error
    }
  }

  async #connected(): Promise<Connection> {
    if (this.#connection === undefined || this.#connection.isLost) {
      this.#connection = await Connection.open(this.#options.server, { name: 'writes' })
    }
    return this.#connection
  }

  /** Throws why it was undone, if it was. */
  async #resultOf(unknown: CommitUnknown): Promise<BatchResult> {
    const { result, cause } = unknown
    const fate = cause instanceof NotReplicated ? 'unknown' : await fateOf(unknown, () => this.#ask(unknown))
    if (fate === 'committed') return result
    if (fate === 'unknown') return this.#asUnknown(unknown)
    if (isUnavailable(cause)) throw cause
    // A deferred constraint that one call broke: each must be tried by itself.
    if (result.outcomes.length === 1) return { ...result, outcomes: [{ error: cause }] }
    this.#alone = result.outcomes.length
    return this.#runBatch()
  }

  async #ask({ sentAt }: CommitUnknown) {
    const witness = this.#options.server.prepares ? this.#options.openedBefore(sentAt) : undefined
    const connection = witness ?? (await this.#connected())
    return { connection, isWitness: witness !== undefined || connection.openedAt < sentAt }
  }

  #asUnknown({ result, cause }: CommitUnknown): BatchResult {
    const { message: reason } = cause as Error
    this.#options.signal({ event: 'commit_unknown', reason, calls: result.outcomes.length })
    const error = new DatabaseUnavailable(`it is not known whether it was written: ${reason}`)
    return { ...result, outcomes: result.outcomes.map(() => ({ error })) }
  }

  #settle({ outcomes, lockMs, commitMs }: BatchResult): void {
    const done = this.#pending.splice(0, outcomes.length)
    const { length: waiting } = this.#pending
    this.#options.signal({ event: 'batch', calls: done.length, lockMs, commitMs, waiting })
    for (const [index, { resolve, reject }] of done.entries()) {
      const outcome = outcomes[index] as Outcome
      if ('error' in outcome) reject(outcome.error)
      else resolve(outcome.output)
    }
  }

  #settleOne({ call, message: reason }: TookTooLong): void {
    this.#options.signal({ event: 'batch_failed', reason, calls: 1 })
    const index = this.#pending.findIndex((pending) => pending.call === call)
    for (const { reject } of this.#pending.splice(index, 1)) reject(new DatabaseUnavailable(reason))
  }

  #failAll(error: unknown): void {
    const { message: reason } = error as Error
    this.#options.signal({ event: 'batch_failed', reason, calls: this.#pending.length })
    const failure = isUnavailable(error) ? new DatabaseUnavailable(reason, { cause: error }) : error
    for (const { reject } of this.#pending.splice(0)) reject(failure)
  }
}
