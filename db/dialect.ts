/** The engine, and the only door to it: how it is opened, how it runs Kysely's queries, what its errors mean. */
import { resolve } from 'node:path'
import { type Dialect, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely'
import { LibraryDriver } from './sqlite/driver.ts'

export { DatabaseBusy, DatabaseRefused, isUnavailable, violatedUnique } from './sqlite/errors.ts'

/** The absolute path of the file that a `DATABASE_URL` names: a path, or a URL that begins with `sqlite:`. */
export function databaseFile(url: string): string {
  return resolve(url.replace(/^sqlite:(\/\/)?/, ''))
}

/**
 * The engine's dialect over the file at `path`, which is created if need be, or which this process has open already. Its first
 * use throws `DatabaseRefused`.
 */
export function createDialect(path: string, isInUse: boolean): Dialect {
  return {
    createAdapter: () => new LibraryAdapter(),
    createDriver: () => new LibraryDriver(path, isInUse),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler()
  }
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
