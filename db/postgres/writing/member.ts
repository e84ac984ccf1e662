import { Kysely } from 'kysely'
import { DatabaseUnavailable } from '../../refusals.ts'
import type { Tables } from '../../tables.ts'
import type { Result, Statement } from '../connection.ts'
import { type Runner, RunnerDialect } from '../dialect.ts'
import { isCancelled } from '../errors.ts'
import type { Transaction } from '../transaction.ts'

/** So much later than the server itself we notice that a call took too long. */
const GRACE_MS = 2000
const STATEMENT = 'statement'
const SENT: Result = { command: '', rowCount: null, rows: [] }

export interface MemberOptions {
  longestMs: number
  isGuarded: boolean
  /** Learns of each statement that has written, or may have. */
  whenWritten: (sql: string) => void
}

/**
 * What one call of a batch does in the batch's transaction, and nothing once the call has ended. A guarded one goes on after an error of
 * the server, as on SQLite: each statement has a savepoint.
 */
export class Member implements Runner {
  readonly db = new Kysely<Tables>({ dialect: new RunnerDialect(() => this) })
  readonly #transaction: Transaction
  readonly #isGuarded: boolean
  readonly #whenWritten: (sql: string) => void
  readonly #longestMs: number
  readonly #until: number
  #running = 0
  #whenIdle = () => {}
  #queue: Promise<unknown> = Promise.resolve()
  #isOver = false
  #hasWritten = false
  #isFailed = false
  #tookTooLong = false

  constructor(transaction: Transaction, { longestMs, isGuarded, whenWritten }: MemberOptions) {
    this.#transaction = transaction
    this.#whenWritten = whenWritten
    this.#isGuarded = isGuarded
    this.#longestMs = longestMs
    this.#until = performance.now() + longestMs
  }

  get hasWritten(): boolean {
    return this.#hasWritten
  }

  /** Whether the server takes no statement any more until the transaction is rolled back. */
  get isFailed(): boolean {
    return this.#isFailed
  }

  get isLost(): boolean {
    return this.#transaction.isLost
  }

  get tookTooLong(): boolean {
    return this.#tookTooLong
  }

  async run(statement: Statement): Promise<Result> {
    if (this.#isOver) throw new DatabaseUnavailable('the command has ended')
    if (CONTROL.test(statement.sql)) throw new TypeError('A command has no transactions of its own.')
    if (performance.now() > this.#until) throw this.#giveUp()
    // In savepoints it must be known which statement failed.
    if (statement.resultIsUnused && !this.#isGuarded && this.#transaction.canSend)
      return this.#send(statement)
    this.#running += 1
    try {
      const result = await (this.#isGuarded ? this.#runInTurn(statement) : this.#transaction.run(statement))
      if (hasWritten(statement, result)) this.#noteWrite(statement)
      return result
    } catch (error) {
      this.#isFailed ||= !this.#isGuarded
      this.#tookTooLong ||= isCancelled(error)
      throw error
    } finally {
      this.#running -= 1
      if (this.#running === 0) this.#whenIdle()
    }
  }

  /** What the call gives, if it does within its time. */
  async within<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    const overdue = setTimeout(() => reject(this.#giveUp()), this.#longestMs + GRACE_MS)
    try {
      return await Promise.race([work, promise])
    } finally {
      clearTimeout(overdue)
    }
  }

  /** Resolves when nothing of it is under way: what it began beside a statement that failed would otherwise write for the next one. */
  async end(): Promise<void> {
    this.#isOver = true
    if (this.#running === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenIdle = resolve
    await promise
  }

  #send(statement: Statement): Result {
    this.#noteWrite(statement)
    this.#transaction.send(statement)
    return SENT
  }

  #noteWrite({ sql }: Statement): void {
    this.#hasWritten = true
    this.#transaction.noteWrite()
    this.#whenWritten(sql)
  }

  #giveUp(): Error {
    this.#tookTooLong = true
    const reason = 'a command took too long'
    this.#transaction.abandon(reason)
    return new DatabaseUnavailable(reason)
  }

  #runInTurn(statement: Statement): Promise<Result> {
    const result = this.#queue.then(() => this.#runInSavepoint(statement))
    this.#queue = result.catch(() => {})
    return result
  }

  async #runInSavepoint(statement: Statement): Promise<Result> {
    await this.#transaction.setSavepoint(STATEMENT)
    try {
      const result = await this.#transaction.run(statement)
      await this.#transaction.releaseSavepoint(STATEMENT)
      return result
    } catch (error) {
      if (!this.#transaction.isLost) await this.#transaction.rollBackTo(STATEMENT)
      throw error
    }
  }
}

const CONTROL = /^\s*(begin|start|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b/i
const PLAIN_WRITE = /^\s*(insert|update|delete|merge)\b/i
const READ = /^\s*(select|values|show|table|with)\b/i
const WRITE = /\b(insert|update|delete|merge)\b/i

/** Rather too often than too seldom. */
function hasWritten({ sql }: Statement, { rowCount }: Result): boolean {
  if (PLAIN_WRITE.test(sql)) return rowCount !== 0
  return !READ.test(sql) || WRITE.test(sql)
}
