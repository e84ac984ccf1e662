import { statSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type Sqlite from 'better-sqlite3'
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely'
import pLimit from 'p-limit'
import { DatabaseGone, isBusy } from './errors.ts'
import { openDatabase, openReader } from './open.ts'

const WRITE_PATIENCE_MS = 2000
const RETRY_AFTER_MS = 10
const STATEMENTS_KEPT = 500

/**
 * Kysely's driver over two connections to one file: reads have their own, so that they never wait for a write nor see
 * one that is not committed; writes take turns on the other. Who waits for another process waits without blocking
 * the event loop, for SQLite's own busy timeout would stop every other request with it.
 */
export class LibraryDriver implements Driver {
  readonly #path: string
  readonly #isInUse: boolean
  #engine: Engine | undefined

  constructor(path: string, isInUse: boolean) {
    this.#path = path
    this.#isInUse = isInUse
  }

  async init(): Promise<void> {
    this.#engine = new Engine(this.#path, this.#isInUse)
  }

  async acquireConnection(): Promise<LibraryConnection> {
    return new LibraryConnection(this.#engine as Engine)
  }

  async beginTransaction(connection: LibraryConnection): Promise<void> {
    await connection.begin()
  }

  async commitTransaction(connection: LibraryConnection): Promise<void> {
    connection.commit()
  }

  async rollbackTransaction(connection: LibraryConnection): Promise<void> {
    connection.rollback()
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    this.#engine?.close()
  }
}

/** What a query runs on: outside of a transaction a read goes to the reader, anything else waits for its turn to write. */
class LibraryConnection implements DatabaseConnection {
  readonly #engine: Engine
  #endTurn: (() => void) | undefined

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { reader, writer } = this.#engine
    if (this.#endTurn !== undefined) return writer.run(query)
    if (reader.isRead(query.sql)) return reader.run(query)
    return this.#engine.write(() => writer.run(query))
  }

  /** All rows at once, for better-sqlite3 lets nothing else run on a connection through which it iterates. */
  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }

  /** `immediate` takes the write lock at the start: a deferred transaction that turns to writing can fail at once. */
  async begin(): Promise<void> {
    const begun = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    this.#engine
      .write(
        () => this.#engine.writer.exec('begin immediate'),
        () => {
          begun.resolve()
          return ended.promise
        }
      )
      .catch(begun.reject)
    await begun.promise
    this.#endTurn = ended.resolve
  }

  /** When it fails the turn is kept, for Kysely rolls back next. */
  commit(): void {
    this.#engine.writer.exec('commit')
    this.#endTurn?.()
    this.#endTurn = undefined
  }

  /** After some errors, a full disk among them, SQLite has rolled back already; a second rollback would hide the cause. */
  rollback(): void {
    const { writer } = this.#engine
    try {
      if (writer.inTransaction) writer.exec('rollback')
    } finally {
      this.#endTurn?.()
      this.#endTurn = undefined
    }
  }
}

class Engine {
  readonly writer: Handle
  readonly reader: Handle
  readonly #path: string
  readonly #isInUse: boolean
  readonly #inode: number
  readonly #turns = pLimit(1)

  constructor(path: string, isInUse: boolean) {
    this.#path = path
    this.#isInUse = isInUse
    this.writer = new Handle(openDatabase(path, { isInUse }))
    this.reader = new Handle(openReader(path))
    this.#inode = statSync(path).ino
    this.writer.exec('pragma busy_timeout = 0')
  }

  /** Does the work when it is its turn, and again while another process writes; `hold` keeps the turn until it resolves. */
  async write<T>(work: () => T, hold?: () => Promise<void>): Promise<T> {
    const deadline = performance.now() + WRITE_PATIENCE_MS
    return this.#turns(async () => {
      this.#refuseMissingFile()
      const result = await retryWhileBusy(work, deadline)
      await hold?.()
      return result
    })
  }

  #refuseMissingFile(): void {
    if (statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode) {
      throw new DatabaseGone(
        `${this.#path} was moved or deleted while it was in use; start the service anew.`
      )
    }
  }

  close(): void {
    this.reader.close()
    if (this.#isInUse) this.#emptyLog()
    this.writer.close()
  }

  /** Here, for else the first write of another connection would do it: half a second after an import of a million authors. */
  #emptyLog(): void {
    this.writer.exec(`pragma busy_timeout = ${WRITE_PATIENCE_MS}; pragma wal_checkpoint(truncate)`)
  }
}

async function retryWhileBusy<T>(work: () => T, deadline: number): Promise<T> {
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error
      await wait(RETRY_AFTER_MS)
    }
  }
}

/** One connection with its prepared statements, for preparing costs more than most queries themselves. */
class Handle {
  readonly #database: Sqlite.Database
  readonly #statements = new Map<string, Sqlite.Statement>()

  constructor(database: Sqlite.Database) {
    this.#database = database
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction
  }

  isRead(sql: string): boolean {
    const statement = this.#prepare(sql)
    return statement.readonly && statement.reader
  }

  run<R>({ sql, parameters }: CompiledQuery): QueryResult<R> {
    const statement = this.#prepare(sql)
    if (statement.reader) return { rows: statement.all(parameters) as R[] }
    const { changes } = statement.run(parameters)
    return { rows: [], numAffectedRows: BigInt(changes) }
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  close(): void {
    this.#database.close()
  }

  #prepare(sql: string): Sqlite.Statement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    if (this.#statements.size >= STATEMENTS_KEPT) this.#statements.clear()
    this.#statements.set(sql, statement)
    return statement
  }
}
