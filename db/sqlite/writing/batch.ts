import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { Call } from '../../command.ts'
import { Groups } from '../../together.ts'
import type { Connection } from '../connection.ts'
import { DatabaseUnavailable, isFailedSync, isUnavailable } from '../errors.ts'
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

/** Runs calls together; gives the outputs of the first of them, of one at least where there is one only. */
type RunTogether = (calls: readonly Call[]) => Promise<unknown[]>

/** A savepoint of a name that no command gives to one of its own. */
const MEMBER = '"a call of the batch"'

/**
 * Runs calls in one transaction, and so with one sync of the disk (invariants 2 to 5 of docs/architecture.md).
 *
 * At first it is optimistic and sets no savepoints: a call that throws before it has written disturbs nobody, and some are run together. When
 * one throws later, all calls are undone and run again, each in a savepoint that can be undone alone.
 */
export class BatchRunner {
  readonly #connection: Connection
  readonly #runTogether: RunTogether
  readonly #groups = new Groups()
  readonly #mostCalls: number
  readonly #changes: () => number
  /** So many of the next calls get a commit of their own. */
  #alone = 0

  constructor(connection: Connection, runTogether: RunTogether, mostCalls = Number.POSITIVE_INFINITY) {
    this.#connection = connection
    this.#runTogether = runTogether
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
      if (!(await this.#runAll(calls, outcomes))) {
        this.#begin()
        outcomes.length = 0
        await this.#runAll(calls, outcomes, { isGuarded: true })
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
  async #runAll(calls: readonly Call[], outcomes: Outcome[], { isGuarded = false } = {}): Promise<boolean> {
    const end = performance.now() + LONGEST_MS
    const most = Math.min(calls.length, this.#alone > 0 ? 1 : this.#mostCalls)
    for (let next = 0; next < most; next = outcomes.length) {
      if (next > 0 && performance.now() > end) break
      const group = isGuarded ? calls.slice(next, next + 1) : this.#groups.at(calls, next, most)
      outcomes.push(...group.map(() => UNKNOWN))
      const done = await (isGuarded ? this.#runInSavepoint(group) : this.#runPlainly(group))
      if (done === 'all must be undone') return false
      outcomes.splice(next, group.length, ...done)
    }
    return true
  }

  async #runPlainly(group: readonly Call[]): Promise<Outcome[] | 'all must be undone'> {
    const before = this.#changes()
    try {
      const done = await this.#outputs(group)
      this.#groups.note(done.length, group.length)
      return done
    } catch (error) {
      if (group.length > 1) this.#groups.note(0, group.length)
      await this.#whenFailed(error)
      return group.length === 1 && this.#changes() === before ? [toFailure(error)] : 'all must be undone'
    }
  }

  async #runInSavepoint(group: readonly Call[]): Promise<Outcome[]> {
    this.#connection.exec(`savepoint ${MEMBER}`)
    try {
      const done = await this.#outputs(group)
      this.#connection.exec(`release ${MEMBER}`)
      return done
    } catch (error) {
      await this.#whenFailed(error)
      this.#connection.exec(`rollback to ${MEMBER}`)
      this.#connection.exec(`release ${MEMBER}`)
      return [toFailure(error)]
    }
  }

  async #outputs(group: readonly Call[]): Promise<Outcome[]> {
    const outputs = await this.#runTogether(group)
    if (!this.#connection.inTransaction) throw new DatabaseUnavailable('the transaction was rolled back')
    return outputs.map((output) => ({ output }))
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
