import { DatabaseUnavailable } from '../refusals.ts'
import type { Connection, Result } from './connection.ts'
import type { Runner } from './dialect.ts'

/** For longer no transaction waits for that of another instance, nor another instance for ours. */
const LOCK_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_MS = 30_000

const WRITING = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

/**
 * A transaction that writes: it has the only row of `data_version` from its first statement to its commit, so that in the whole cluster
 * one writes at a time, as on SQLite. What a command reads therefore stays so until it has written, at the level `read committed`, and
 * nothing has to be run again because of others.
 */
export class Transaction implements Runner {
  readonly #connection: Connection
  readonly id: string
  #changes = 0
  #isOpen = true
  #isFailed = false

  private constructor(connection: Connection, id: string) {
    this.#connection = connection
    this.id = id
  }

  static async begin(connection: Connection, { longestMs }: { longestMs: number }): Promise<Transaction> {
    // Local settings, so that a pooler may give each transaction another connection.
    const { rows } = await connection.runAll([
      'begin isolation level read committed read write',
      `set local lock_timeout = ${LOCK_TIMEOUT_MS}`,
      `set local idle_in_transaction_session_timeout = ${IDLE_TIMEOUT_MS}`,
      `set local statement_timeout = ${longestMs}`,
      'set local synchronous_commit = on',
      'update data_version set version = version + 1 returning pg_current_xact_id()::text as id'
    ])
    return new Transaction(connection, (rows[0] as { id: string }).id)
  }

  /** Grows with each statement that has changed rows. */
  get changes(): number {
    return this.#changes
  }

  /** After an error of the server it takes no statement until it is rolled back. */
  get isFailed(): boolean {
    return this.#isFailed
  }

  get isConnectionLost(): boolean {
    return this.#connection.isLost
  }

  async run(statement: { sql: string; parameters: readonly unknown[] }): Promise<Result> {
    if (!this.#isOpen) throw new DatabaseUnavailable('the transaction is over')
    try {
      const result = await this.#connection.run(statement)
      if (WRITING.has(result.command) && result.rowCount !== 0) this.#changes += 1
      return result
    } catch (error) {
      this.#isFailed = true
      throw error
    }
  }

  async setSavepoint(): Promise<void> {
    await this.#connection.runAll(['savepoint member'])
  }

  async releaseSavepoint(): Promise<void> {
    await this.#connection.runAll(['release savepoint member'])
  }

  async rollBackToSavepoint(): Promise<void> {
    await this.#connection.runAll(['rollback to savepoint member', 'release savepoint member'])
    this.#isFailed = false
  }

  async commit(): Promise<void> {
    this.#isOpen = false
    const { command } = await this.#connection.runAll(['commit'])
    // Of a transaction that has failed the server makes a rollback, without an error.
    if (command === 'ROLLBACK') throw new DatabaseUnavailable('the transaction was rolled back')
  }

  async rollBack(): Promise<void> {
    this.#isOpen = false
    if (!this.#connection.isLost) await this.#connection.runAll(['rollback'])
  }
}
