import { DatabaseUnavailable } from '../refusals.ts'
import type { Connection, Result, Statement } from './connection.ts'
import type { Runner } from './dialect.ts'
import { ANNOUNCE_LONG_WORK, TAKE_WRITE_LOCK } from './locks.ts'

/** For longer no transaction waits for that of another instance. */
const LOCK_TIMEOUT_MS = 10_000
/** So long the server keeps the lock for an instance of which it hears nothing. */
const IDLE_TIMEOUT_MS = 10_000
/** So much later than the server itself we notice that it took too long. */
const GRACE_MS = 2000
/** A standby that is to have it too may be slow. */
const LONGEST_COMMIT_MS = 20_000
const MOST_UNANSWERED = 64
/** What is sent there tells others that something was written. */
export const CHANNEL = 'library_written'

/** What a transaction does before it keeps others waiting. */
export type Prepare = (runner: Runner) => Promise<void>

/**
 * A transaction that writes. It has the write lock from its first statement to its commit. What a command reads therefore stays so until
 * it has written, at the level `read committed`, and nothing has to be run again because of what others wrote.
 */
export class Transaction {
  readonly #connection: Connection
  /** By which the server knows it. */
  readonly id: string
  /** No statement may take longer. */
  readonly longestMs: number
  #hasWritten = false
  #unanswered = 0
  #lastSent: Promise<void> = Promise.resolve()
  #isSpoilt = false

  private constructor(connection: Connection, id: string, longestMs: number) {
    this.#connection = connection
    this.id = id
    this.longestMs = longestMs
  }

  /** With `prepare` something is done first, while others write; then it waits for as long as it may take itself. */
  static async begin(
    connection: Connection,
    { longestMs, prepare }: { longestMs: number; prepare?: Prepare | undefined }
  ): Promise<Transaction> {
    const lockMs = prepare === undefined ? LOCK_TIMEOUT_MS : longestMs
    const settings = settingsFor(Math.max(longestMs, lockMs + GRACE_MS), lockMs)
    if (prepare === undefined) settings.push(USE_INDEXES)
    const lock = [
      `select ${TAKE_WRITE_LOCK}`,
      `set local statement_timeout = ${longestMs}`,
      'select pg_current_xact_id()::text as id'
    ]
    try {
      if (prepare !== undefined) {
        await connection.runAll(settings)
        await prepare({ run: (statement) => connection.run(statement, longestMs) })
        lock.splice(1, 0, `select ${ANNOUNCE_LONG_WORK}`)
      }
      const statements = prepare === undefined ? [...settings, ...lock] : lock
      const { rows } = await connection.runAll(statements, lockMs + 2 * GRACE_MS)
      return new Transaction(connection, (rows[0] as { id: string }).id, longestMs)
    } catch (error) {
      // It may lead to a server that takes no writes any more.
      connection.giveUp((error as Error).message)
      throw error
    }
  }

  get isLost(): boolean {
    return this.#connection.isLost
  }

  /** That this was committed need not be told to anybody unless something was written. */
  noteWrite(): void {
    this.#hasWritten = true
  }

  run(statement: Statement): Promise<Result> {
    return this.#connection.run(statement, this.longestMs + GRACE_MS)
  }

  /** Whether a further statement may be sent ahead; not so many that they fill the memory. */
  get canSend(): boolean {
    return this.#unanswered < MOST_UNANSWERED
  }

  /** Sends a statement without waiting for its answer. If it fails, the server refuses all that come after it. */
  send(statement: Statement): void {
    this.#unanswered += 1
    this.#lastSent = this.run(statement).then(
      () => {
        this.#unanswered -= 1
      },
      () => {
        this.#isSpoilt = true
      }
    )
  }

  /** Whether all that was sent ahead was done. */
  async isDone(): Promise<boolean> {
    // Answers come in the order of the statements.
    await this.#lastSent
    return !this.#isSpoilt
  }

  async setSavepoint(name: string): Promise<void> {
    await this.#connection.runAll([`savepoint ${name}`])
  }

  async releaseSavepoint(name: string): Promise<void> {
    await this.#connection.runAll([`release savepoint ${name}`])
  }

  async rollBackTo(name: string): Promise<void> {
    await this.#connection.runAll([`rollback to savepoint ${name}`, `release savepoint ${name}`])
  }

  /** Whatever it throws, whether it was committed must be asked. */
  async commit(): Promise<void> {
    // That nothing was written need not be on the disk.
    if (!this.#hasWritten) return this.rollBack()
    const { warnings } = this.#connection
    const sent = this.#connection.runAll([`notify ${CHANNEL}`, 'commit'], LONGEST_COMMIT_MS)
    const result = await sent.catch((error: Error) => error)
    if (this.#connection.warnings > warnings)
      throw new NotReplicated('a commit is on no standby, though it should be')
    if (result instanceof Error) throw result
    if (result.command !== 'COMMIT') throw new DatabaseUnavailable('the transaction was rolled back')
  }

  async rollBack(): Promise<void> {
    await this.#connection.runAll(['rollback'], LOCK_TIMEOUT_MS)
  }

  async rollBackQuietly(): Promise<void> {
    await this.rollBack().catch(({ message }: Error) => this.abandon(message))
  }

  /** Does not wait for what the server is at. */
  abandon(reason: string): void {
    this.#connection.giveUp(reason)
  }
}

/** It was committed, and a switch to a standby would undo it. */
export class NotReplicated extends DatabaseUnavailable {}

/**
 * All that a command looks up has an index. A plan that was made while a table was empty, as the one of kept answers is each night, reads all of
 * it, and is kept until the server counts its rows again: after a minute, and some 10,000 creates.
 */
const USE_INDEXES = 'set local enable_seqscan = off'

/** They are local, so that a pooler may give each transaction another connection. */
function settingsFor(longestMs: number, lockMs: number): string[] {
  return [
    'begin isolation level read committed read write',
    `select set_config('lock_timeout', '${lockMs}', true),
      set_config('idle_in_transaction_session_timeout', '${IDLE_TIMEOUT_MS}', true),
      set_config('statement_timeout', '${longestMs}', true),
      set_config('synchronous_commit', case when current_setting('synchronous_commit') in ('off', 'local', 'remote_write')
        then 'on' else current_setting('synchronous_commit') end, true)`
  ]
}
