/** The engine, and the only door to it: how it is opened, how it runs Kysely's queries, what its errors mean. */
import { resolve } from 'node:path'
import {
  type Dialect,
  type Expression,
  type Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql
} from 'kysely'
import { LibraryDriver } from './sqlite/driver.ts'
import type { Usage } from './sqlite/open.ts'

export { DatabaseBusy, DatabaseRefused, isUnavailable, violatedUnique } from './sqlite/errors.ts'
export type { Usage }

/** The absolute path of the file that a `DATABASE_URL` names: a path, or a URL that begins with `sqlite:`. */
export function databaseFile(url: string): string {
  return resolve(url.replace(/^sqlite:(\/\/)?/, ''))
}

/** All texts of a query in its order, with commas between, in UTF-8; SQLite aggregates in the order of a subquery that has a limit. */
export function joinedBytes(text: Expression<string>) {
  return sql<Buffer | null>`cast(group_concat(${text}, ',') as blob)`
}

/** The engine's dialect over a file, which is created if need be. Its first use throws `DatabaseRefused`. */
export class LibraryDialect implements Dialect {
  readonly #driver: LibraryDriver

  constructor(path: string, usage: Usage) {
    this.#driver = new LibraryDriver(path, usage)
  }

  /** Another number whenever anything in the database was changed, by whomever; only to be compared, and only after the first use. */
  dataVersion(): number {
    return this.#driver.dataVersion()
  }

  createAdapter = () => new LibraryAdapter()
  createDriver = () => this.#driver
  createIntrospector = (db: Kysely<never>) => new SqliteIntrospector(db)
  createQueryCompiler = () => new SqliteQueryCompiler()
}

class LibraryAdapter extends SqliteAdapter {
  /** SQLite's DDL is transactional: all pending migrations happen, or none, and two starting processes take turns. */
  override get supportsTransactionalDdl() {
    return true
  }

  /** Or else Kysely would let reads wait for writes. */
  override get supportsMultipleConnections() {
    return true
  }
}
