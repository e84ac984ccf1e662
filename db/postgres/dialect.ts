import {
  type CompiledQuery,
  type DatabaseConnection,
  type DatabaseMetadataOptions,
  type Dialect,
  type Driver,
  type Kysely,
  type LimitNode,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  sql,
  type TableMetadata,
  type TransactionSettings,
  ValueNode
} from 'kysely'
import type { Migration } from 'kysely/migration'
import type { EngineAdapter } from '../engine.ts'
import type { Result, Statement } from './connection.ts'
import { BEGINNING, createSchema } from './schema.ts'
import { POSTGRES_SQL } from './sql.ts'

/** What runs single statements: a pool that reads, or the one connection of a transaction. */
export interface Runner {
  run(statement: Statement): Promise<Result>
}

/** Kysely's dialect over a runner, which `get` gives at each use. */
export class RunnerDialect implements Dialect {
  readonly #get: () => Runner | Promise<Runner>
  readonly #close: () => Promise<void>

  /** `close` is called when nobody needs the dialect any more. */
  constructor(get: () => Runner | Promise<Runner>, close = async () => {}) {
    this.#get = get
    this.#close = close
  }

  createAdapter = () => ADAPTER
  createQueryCompiler = () => new Compiler()
  createIntrospector = (db: Kysely<unknown>) => new Introspector(db)
  createDriver = () => new RunnerDriver(this.#get, this.#close)
}

/** With a limit that is bound a statement is planned each time that it runs, since a plan for any limit is no good for one row. */
class Compiler extends PostgresQueryCompiler {
  protected override visitLimit(node: LimitNode): void {
    if (ValueNode.is(node.limit) && node.limit.value === 1) this.append('limit 1')
    else super.visitLimit(node)
  }
}

/** Sees what is ours alone: other schemas may have tables of the same names. */
class Introspector extends PostgresIntrospector {
  readonly #db: Kysely<unknown>

  constructor(db: Kysely<unknown>) {
    super(db)
    this.#db = db
  }

  override async getTables(options?: DatabaseMetadataOptions): Promise<TableMetadata[]> {
    const { rows } = await sql<{ schema: string }>`select current_schema()::text as schema`.execute(this.#db)
    return (await super.getTables(options)).filter(({ schema }) => schema === rows[0]?.schema)
  }
}

class Adapter extends PostgresAdapter implements EngineAdapter {
  readonly engineSql = POSTGRES_SQL

  /** `withMigrations` has a lock already. */
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}

  /** Those up to the one that databases of this engine begin with are one; nothing was before it. */
  ownMigrations(all: Record<string, Migration>): Record<string, Migration> {
    const none = async () => {}
    const entries = Object.entries(all).map(([name, migration]): [string, Migration] => {
      if (name > BEGINNING) return [name, migration]
      return [name, name === BEGINNING ? { up: createSchema } : { up: none }]
    })
    return Object.fromEntries(entries)
  }
}

/** One for all, so that what is compiled for one is for all. */
const ADAPTER = new Adapter()

class RunnerDriver implements Driver {
  readonly #get: () => Runner | Promise<Runner>
  readonly destroy: () => Promise<void>

  constructor(get: () => Runner | Promise<Runner>, close: () => Promise<void>) {
    this.#get = get
    this.destroy = close
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return new RunnerConnection(await this.#get())
  }

  async beginTransaction(
    connection: DatabaseConnection,
    { isolationLevel, accessMode }: TransactionSettings
  ): Promise<void> {
    const level = isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`
    const sql = `begin${level} ${accessMode ?? ''}`
    await connection.executeQuery({ sql, parameters: [] } as unknown as CompiledQuery)
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery({ sql: 'commit', parameters: [] } as unknown as CompiledQuery)
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery({ sql: 'rollback', parameters: [] } as unknown as CompiledQuery)
  }

  async releaseConnection(): Promise<void> {}
}

const COUNTED = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

class RunnerConnection implements DatabaseConnection {
  readonly #runner: Runner

  constructor(runner: Runner) {
    this.#runner = runner
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { command, rowCount, rows } = await this.#runner.run(query)
    if (!COUNTED.has(command)) return { rows: (rows ?? []) as R[] }
    return { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) }
  }

  /** All rows at once: nothing of ours reads more than it can hold. */
  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }
}
