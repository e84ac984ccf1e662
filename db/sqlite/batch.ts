import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { Call } from '../command.ts'
import type { Connection } from './connection.ts'
import { DatabaseUnavailable, isFailedSync, isUnavailable } from './errors.ts'
import { type Outcome, toFailure } from './outcome.ts'

/** No call of a batch begins after so long: few should wait for the work of many. */
const LONGEST_MS = 20

/** What became of the first calls of a queue: one outcome each. */
export interface BatchResult {
  outcomes: Outcome[]
  /** For so long another process had the write lock. */
  lockMs: number
  commitMs: number
  /** Why nothing of the batch stays. */
  error?: unknown
}

type Run = (call: Call) => Promise<Outcome | 'all must be undone'>

/** A savepoint of a name that no command gives to one of its own. */
const MEMBER = '"a call of the batch"'

/**
 * Runs calls in one transaction, and so with one sync of the disk (invariants 2 to 5 of docs/architecture.md).
 *
 * At first it is optimistic and sets no savepoints: a call that throws before it has written disturbs nobody. When one throws
 * later, all calls are undone and run again, each in a savepoint that can be undone alone.
 */
export class BatchRunner {
  readonly #connection: Connection
  readonly #runCall: (call: Call) => Promise<unknown>
  readonly #mostCalls: number
  readonly #changes: () => number
  /** So many of the next calls get a commit of their own. */
  #alone = 0

  constructor(
    connection: Connection,
    runCall: (call: Call) => Promise<unknown>,
    mostCalls = Number.POSITIVE_INFINITY
  ) {
    this.#connection = connection
    this.#runCall = runCall
    this.#mostCalls = mostCalls
    connection.isForBatches = true
    connection.pragma('busy_timeout = 0')
    this.#changes = connection.valueOf<number>('select total_changes()')
  }

  /**
   * Takes the first of the waiting calls, as many as fit in a batch, or all of them when nothing can be written. They are asked for
   * once the write lock is there: more may have come while another process had it. Never rejects.
   */
  async run(waiting: () => readonly Call[]): Promise<BatchResult> {
    const outcomes: Outcome[] = []
    const asked = performance.now()
    try {
      this.#begin()
      const lockMs = performance.now() - asked
      const calls = waiting()
      if (!(await this.#runAll(calls, outcomes, (call) => this.#runPlainly(call)))) {
        this.#begin()
        outcomes.length = 0
        await this.#runAll(calls, outcomes, (call) => this.#runInSavepoint(call))
      }
      return { outcomes, lockMs, commitMs: this.#commit(outcomes.length) }
    } catch (error) {
      this.#undoQuietly()
      if (error === ALONE) return this.run(waiting)
      // A refusal does not stay either: what it found in its way may be the work of another call.
      return failed(error, outcomes.length || waiting().length)
    }
  }

  /** Whether all went as it should; if not, all must be undone. */
  async #runAll(calls: readonly Call[], outcomes: Outcome[], run: Run): Promise<boolean> {
    const end = performance.now() + LONGEST_MS
    const most = this.#alone > 0 ? 1 : this.#mostCalls
    for (const call of calls) {
      if (outcomes.length === most || (outcomes.length > 0 && performance.now() > end)) break
      outcomes.push(UNKNOWN)
      const outcome = await run(call)
      if (outcome === 'all must be undone') return false
      outcomes[outcomes.length - 1] = outcome
    }
    return true
  }

  async #runPlainly(call: Call): Promise<Outcome | 'all must be undone'> {
    const before = this.#changes()
    try {
      return await this.#output(call)
    } catch (error) {
      await this.#whenFailed(error)
      return this.#changes() === before ? toFailure(error) : 'all must be undone'
    }
  }

  async #runInSavepoint(call: Call): Promise<Outcome> {
    this.#connection.exec(`savepoint ${MEMBER}`)
    try {
      const outcome = await this.#output(call)
      this.#connection.exec(`release ${MEMBER}`)
      return outcome
    } catch (error) {
      await this.#whenFailed(error)
      this.#connection.exec(`rollback to ${MEMBER}`)
      this.#connection.exec(`release ${MEMBER}`)
      return toFailure(error)
    }
  }

  async #output(call: Call): Promise<Outcome> {
    const output = await this.#runCall(call)
    if (!this.#connection.inTransaction) throw new DatabaseUnavailable('the transaction was rolled back')
    return { output }
  }

  async #whenFailed(error: unknown): Promise<void> {
    // After some errors, a full disk among them, SQLite has rolled back all by itself.
    if (!this.#connection.inTransaction || isFailedSync(error)) throw error
    // What the call began beside the statement that failed would otherwise write for the next one.
    await yieldToEventLoop()
  }

  #begin(): void {
    this.#undo()
    this.#connection.begin()
  }

  #commit(calls: number): number {
    const begun = performance.now()
    if (this.#alone > 0) this.#alone -= 1
    try {
      this.#connection.exec('commit')
    } catch (error) {
      // A deferred constraint that one call broke: each must be tried by itself.
      if (calls === 1 || isUnavailable(error)) throw error
      this.#alone = calls
      throw ALONE
    }
    return performance.now() - begun
  }

  #undo(): void {
    if (this.#connection.inTransaction) this.#connection.exec('rollback')
  }

  /** What cannot be undone now is undone before the next batch. */
  #undoQuietly(): void {
    try {
      this.#undo()
    } catch {}
  }
}

const ALONE = new Error('each call needs a commit of its own')
const UNKNOWN: Outcome = { output: undefined }

function failed(error: unknown, calls: number): BatchResult {
  return { error, lockMs: 0, commitMs: 0, outcomes: Array.from({ length: calls }, () => toFailure(error)) }
}
