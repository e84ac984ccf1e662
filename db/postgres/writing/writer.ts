import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, commandNamed } from '../../command.ts'
import { DatabaseUnavailable } from '../../refusals.ts'
import { Groups } from '../../together.ts'
import { Connection, type Server } from '../connection.ts'
import { CannotConnect, isConflict, isUnavailable } from '../errors.ts'
import type { PostgresEvent } from '../events.ts'
import { FIND_LONG_WORK } from '../locks.ts'
import { NotReplicated, type Prepare } from '../transaction.ts'
import { type BatchResult, CommitUnknown, runBatch, TookTooLong } from './batch.ts'
import { CallQueue } from './call-queue.ts'
import { fateOf, Undone } from './fate.ts'

const MOST_TRIES = 5
/** After so long nothing is tried again, unless it may take longer by itself. */
const PATIENCE_MS = 5000
const LONGEST_PAUSE_MS = 100
/** For so long it is waited for an import of another instance, or of this one. */
const LONGEST_WAIT_MS = 60_000

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
  readonly #queue = new CallQueue()
  readonly #groups = new Groups()
  #connection: Connection | undefined
  #isClosed = false
  #work: Promise<void> = Promise.resolve()
  #isWorking = false
  /** So many of the next calls get a commit of their own. */
  #alone = 0

  constructor(options: WriterOptions) {
    this.#options = options
  }

  /** Calls that wait or are run. */
  get waiting(): number {
    return this.#queue.length
  }

  /** Where a statement may wait for an answer that never comes. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /** The output of a call, once it is on the disk. Throws the command's `Problem`, or `DatabaseUnavailable`. */
  async run(call: Call): Promise<unknown> {
    commandNamed(call.command)
    if (this.#isClosed) throw new DatabaseUnavailable('the database is not open')
    const outcome = this.#queue.add(call)
    if (!this.#isWorking) this.#work = this.#workOff()
    return outcome
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
    while (this.#queue.length > 0) await this.#workOnce()
    this.#isWorking = false
  }

  /** Some of those that wait have their answers after it. */
  async #workOnce(): Promise<void> {
    const { patienceMs = PATIENCE_MS } = this.#options
    const begun = performance.now()
    const { length: first } = this.#queue
    for (let tries = 1; ; tries += 1) {
      try {
        return this.#settle(await this.#runBatch())
      } catch (error) {
        if (error instanceof TookTooLong) return this.#giveUpOrPart(error)
        const isLast = tries === MOST_TRIES || performance.now() > begun + patienceMs
        const isWorthIt = isLast ? await this.#isWorthWaiting(error, begun) : this.#isWorthAnotherTry(error)
        // Who came while the others waited for the lock has not waited for as long.
        if (!isWorthIt) return this.#fail(error, isConflict(error) ? first : this.#queue.length)
        this.#options.signal({ event: 'batch_retried', reason: (error as Error).message })
        await sleep(Math.random() * LONGEST_PAUSE_MS * tries)
      }
    }
  }

  #isWorthAnotherTry(error: unknown): boolean {
    return (
      isConflict(error) ||
      error instanceof CannotConnect ||
      error instanceof Undone ||
      this.#connection?.isLost === true
    )
  }

  /** Whether what it waits for is known to take long. */
  async #isWorthWaiting(error: unknown, begun: number): Promise<boolean> {
    const isOver = this.#isClosed || performance.now() > begun + LONGEST_WAIT_MS
    if (isOver || !isConflict(error)) return false
    return this.#hasLongWork().catch(() => false)
  }

  async #hasLongWork(): Promise<boolean> {
    const connection = await this.#connected()
    return (await connection.run({ sql: FIND_LONG_WORK, parameters: [] })).rowCount !== 0
  }

  async #runBatch(): Promise<BatchResult> {
    const waiting = () => this.#queue.calls
    const { prepare } = this.#options
    const mostCalls = this.#alone > 0 ? 1 : Number.POSITIVE_INFINITY
    try {
      const connection = await this.#connected()
      const result = await runBatch({ connection, waiting, groups: this.#groups, mostCalls, prepare })
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
    if (isUnavailable(cause)) throw new Undone((cause as Error).message, { cause })
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
    const { length: calls } = outcomes
    const waiting = this.#queue.length - calls
    this.#options.signal({ event: 'batch', calls, lockMs, commitMs, waiting })
    this.#queue.settle(outcomes)
  }

  /** Of several each must be tried by itself. */
  #giveUpOrPart({ calls, message: reason }: TookTooLong): void {
    if (calls.length > 1) {
      this.#alone = calls.length
      return
    }
    this.#options.signal({ event: 'batch_failed', reason, calls: 1 })
    this.#queue.rejectOne(calls[0] as Call, new DatabaseUnavailable(reason))
  }

  #fail(error: unknown, calls: number): void {
    const { message: reason } = error as Error
    this.#options.signal({ event: 'batch_failed', reason, calls })
    this.#queue.reject(
      calls,
      isUnavailable(error) ? new DatabaseUnavailable(reason, { cause: error }) : error
    )
  }
}
