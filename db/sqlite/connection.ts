import type Sqlite from 'better-sqlite3'
import type { CompiledQuery, QueryResult } from 'kysely'

const STATEMENTS_KEPT = 500

/** One connection with its prepared statements, for preparing costs more than most queries themselves. */
export class Connection {
  readonly #database: Sqlite.Database
  readonly #statements = new Map<string, Sqlite.Statement>()

  constructor(database: Sqlite.Database) {
    this.#database = database
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction
  }

  /** Whether the statement gives rows and changes nothing. */
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

  /** A statement that takes and gives nothing. */
  exec(sql: string): void {
    this.#prepare(sql).run()
  }

  /** A function that gives the one value of a statement, as it is at that moment. */
  valueOf<T>(sql: string): () => T {
    const statement = this.#database.prepare(sql).pluck()
    return () => statement.get() as T
  }

  pragma(source: string): unknown {
    return this.#database.pragma(source, { simple: true })
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
