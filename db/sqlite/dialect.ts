import {
  type CompiledQuery,
  type DatabaseConnection,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver
} from 'kysely'
import type { Connection } from './connection.ts'

/** Kysely's dialect over one connection, which `open` gives at the first use. A connection that writes must have one user only. */
export class ConnectionDialect extends SqliteDialect {
  readonly #open: () => Connection

  constructor(open: () => Connection) {
    // Never used: the driver is our own.
    super({ database: () => Promise.reject(new TypeError('There is no such driver.')) })
    this.#open = open
  }

  override createAdapter = () => new Adapter()
  override createDriver = () => new ConnectionDriver(this.#open)
}

class Adapter extends SqliteAdapter {
  /** SQLite's DDL is transactional: all pending migrations happen, or none, and two starting processes take turns. */
  override get supportsTransactionalDdl() {
    return true
  }
}

class ConnectionDriver extends SqliteDriver {
  readonly #open: () => Connection
  #connection: Connection | undefined

  constructor(open: () => Connection) {
    super({ database: () => Promise.reject(new TypeError('There is no such driver.')) })
    this.#open = open
  }

  override async init(): Promise<void> {
    this.#connection = this.#open()
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    return new KyselyConnection(this.#connection as Connection)
  }

  /** Takes the write lock at its start: two transactions that read first could not both go on to write. */
  override async beginTransaction(): Promise<void> {
    this.#connection?.begin()
  }

  /** After some errors SQLite has rolled back by itself. */
  override async rollbackTransaction(): Promise<void> {
    if (this.#connection?.inTransaction) this.#connection.exec('rollback')
  }

  override async destroy(): Promise<void> {
    this.#connection?.close()
  }
}

class KyselyConnection implements DatabaseConnection {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  async executeQuery<R>(query: CompiledQuery) {
    return this.#connection.run<R>(query)
  }

  /** All rows at once: better-sqlite3 lets nothing else run on a connection that it iterates over. */
  async *streamQuery<R>(query: CompiledQuery) {
    yield await this.executeQuery<R>(query)
  }
}
