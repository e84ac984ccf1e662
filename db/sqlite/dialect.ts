import {
  type CompiledQuery,
  type DatabaseConnection,
  type LimitNode,
  type OffsetNode,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  SqliteQueryCompiler
} from 'kysely'
import type { DirectAdapter } from '../compiled.ts'
import type { EngineAdapter } from '../engine.ts'
import type { Connection } from './connection.ts'
import { SQLITE_SQL } from './sql.ts'

/** Kysely's dialect over one connection, which `open` gives at the first use. A connection that writes must have one user only. */
export class ConnectionDialect extends SqliteDialect {
  readonly #connected: Connected

  constructor(open: () => Connection) {
    // Never used: the driver is our own.
    super({ database: () => Promise.reject(new TypeError('There is no such driver.')) })
    this.#connected = connectedBy(open)
  }

  override createAdapter = () => new Adapter(this.#connected)
  override createQueryCompiler = () => new QueryCompiler()
  override createDriver = () => new ConnectionDriver(this.#connected)
}

interface Connected {
  get(): Connection
  close(): void
}

function connectedBy(open: () => Connection): Connected {
  let connection: Connection | undefined
  return {
    get() {
      connection ??= open()
      return connection
    },
    close: () => connection?.close()
  }
}

class Adapter extends SqliteAdapter implements DirectAdapter, EngineAdapter {
  readonly engineSql = SQLITE_SQL
  readonly #connected: Connected

  constructor(connected: Connected) {
    super()
    this.#connected = connected
  }

  /** SQLite's DDL is transactional: all pending migrations happen, or none, and two starting processes take turns. */
  override get supportsTransactionalDdl() {
    return true
  }

  run<R>(query: CompiledQuery<R>) {
    return this.#connected.get().run<R>(query)
  }
}

/**
 * SQLite plans for the value of a bound limit, so that it prepares the statement again for each value that is bound: that takes as
 * long as a page of 20 rows. It does not look into an expression.
 */
class QueryCompiler extends SqliteQueryCompiler {
  protected override visitLimit({ limit }: LimitNode): void {
    this.append('limit (')
    this.visitNode(limit)
    this.append(' + 0)')
  }

  protected override visitOffset({ offset }: OffsetNode): void {
    this.append('offset (')
    this.visitNode(offset)
    this.append(' + 0)')
  }
}

class ConnectionDriver extends SqliteDriver {
  readonly #connected: Connected

  constructor(connected: Connected) {
    super({ database: () => Promise.reject(new TypeError('There is no such driver.')) })
    this.#connected = connected
  }

  override async init(): Promise<void> {
    this.#connected.get()
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    return new KyselyConnection(this.#connected.get())
  }

  /** Takes the write lock at its start: two transactions that read first could not both go on to write. */
  override async beginTransaction(): Promise<void> {
    this.#connected.get().begin()
  }

  /** After some errors SQLite has rolled back by itself. */
  override async rollbackTransaction(): Promise<void> {
    const connection = this.#connected.get()
    if (connection.inTransaction) connection.exec('rollback')
  }

  override async destroy(): Promise<void> {
    this.#connected.close()
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
