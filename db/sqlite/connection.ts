import type Sqlite from 'better-sqlite3'
import { CompiledQuery, type QueryResult } from 'kysely'
import { DatabaseUnavailable, isDamage } from './errors.ts'
import { patiently } from './writing/patience.ts'

const STATEMENTS_KEPT = 500

/** One connection with its prepared statements: preparing costs more than most queries themselves. */
export class Connection {
  /** Refuses a statement outside of a transaction, as after one that was lost: SQLite would commit it on its own. */
  isForBatches = false
  readonly #database: Sqlite.Database
  readonly #statements = new Map<string, Sqlite.Statement>()

  #foundDamage = false

  constructor(database: Sqlite.Database) {
    this.#database = database
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction
  }

  run<R>({ sql, parameters }: CompiledQuery): QueryResult<R> {
    if (this.isForBatches && !this.inTransaction) {
      throw new DatabaseUnavailable('the transaction was rolled back')
    }
    return this.#trying(() => {
      const statement = this.#prepare(sql)
      if (statement.reader) return { rows: statement.all(parameters) as R[] }
      if (this.#database.readonly && !statement.readonly) throw new TypeError('Only a command may write.')
      const { changes } = statement.run(parameters)
      return { rows: [], numAffectedRows: BigInt(changes) }
    })
  }

  /** The rows of a statement one by one, each as its values; meanwhile nothing else runs on this connection. */
  iterate<Row>(sql: string): IterableIterator<Row> {
    return this.#database.prepare(sql).raw().iterate() as IterableIterator<Row>
  }

  /** Throws when another process does not give up the write lock in time. */
  begin(): void {
    patiently(() => this.#trying(() => this.#prepare('begin immediate').run()))
  }

  /** A statement that takes and gives nothing. */
  exec(sql: string): void {
    this.run(CompiledQuery.raw(sql))
  }

  /** A statement beside all transactions. */
  runAlone(sql: string, ...parameters: unknown[]): void {
    this.#database.prepare(sql).run(parameters)
  }

  /** A function that gives the one value of a statement, as it is at that moment. */
  valueOf<T>(sql: string): () => T {
    const statement = this.#database.prepare(sql).pluck()
    return () => this.#trying(() => statement.get() as T)
  }

  pragma(source: string): unknown {
    return this.#database.pragma(source, { simple: true })
  }

  /** Copies the write-ahead log into the database as far as nobody reads what was there before; gives the pages in the log, and of these copied. */
  checkpoint(mode: 'passive' | 'truncate'): { pages: number; copied: number } {
    const [row] = this.#database.pragma(`wal_checkpoint(${mode})`) as [{ log: number; checkpointed: number }]
    return { pages: row.log, copied: row.checkpointed }
  }

  close(): void {
    this.#database.close()
  }

  /** Pages that were found damaged are not kept: the file may be mended. */
  #trying<T>(work: () => T): T {
    if (this.#foundDamage && !this.inTransaction) {
      this.#foundDamage = false
      this.pragma('shrink_memory')
    }
    try {
      return work()
    } catch (error) {
      if (isDamage(error)) this.#foundDamage = true
      throw error
    }
  }

  #prepare(sql: string): Sqlite.Statement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    if (this.#database.readonly && !statement.readonly) throw new TypeError('Only a command may write.')
    if (this.#statements.size >= STATEMENTS_KEPT) this.#statements.clear()
    this.#statements.set(sql, statement)
    return statement
  }
}
