/** The engine, and the only door to it: how it is opened, what its errors mean, and what only it can say in SQL. */
import path from 'node:path'
import { type Dialect, type Expression, Kysely, sql } from 'kysely'
import { Connection } from './sqlite/connection.ts'
import { ConnectionDialect } from './sqlite/dialect.ts'
import { openDatabase, openReader } from './sqlite/open.ts'
import { openStagedFile } from './sqlite/staged.ts'
import type { Db } from './tables.ts'

export { checkFile } from './sqlite/check.ts'
export { Engine, type EngineOptions } from './sqlite/engine.ts'
export { DatabaseRefused, DatabaseUnavailable, isUnavailable } from './sqlite/errors.ts'
export { type FoundSame, migrateDown, migrateToLatest } from './sqlite/migrating.ts'
export { prepareFile } from './sqlite/open.ts'
export type { DatabaseEvent } from './sqlite/protocol.ts'
export type { Migrating } from './sqlite/rebuild/progress.ts'
export { STAGED } from './sqlite/staged.ts'
export {
  addTerms,
  addTermsFrom,
  amongNumbers,
  countMatches,
  listMatches,
  matching,
  matchOf,
  removeTerms,
  replaceTerms
} from './sqlite/word-index.ts'

/** A relative path begins here, in whichever folder the process was started. */
const PROJECT = path.join(import.meta.dirname, '..')

/** The absolute path of the file that a `DATABASE_URL` names: a path, or a URL that begins with `sqlite:`. */
export function databaseFile(url: string): string {
  return path.resolve(PROJECT, url.replace(/^sqlite:(\/\/)?/, ''))
}

/** The database by itself, for migrations by hand; the service must write through commands. Throws `DatabaseRefused` at first use. */
export function openForMigrations(file: string): Db {
  return new Kysely({ dialect: new ConnectionDialect(() => new Connection(openDatabase(file))) })
}

/** For reading a database in another thread. */
export function readDialect(file: string): Dialect {
  return new ConnectionDialect(() => new Connection(openReader(file)))
}

/** For a new file of rows that are staged, which one command is to read. */
export function stagedDialect(file: string): Dialect {
  return new ConnectionDialect(() => new Connection(openStagedFile(file)))
}

/** All texts of a query in its order, with commas between. */
export function joined(text: Expression<string>) {
  return sql<string | null>`group_concat(${text}, ',')`
}

/** The same in UTF-8; SQLite aggregates in the order of a subquery that has a limit. */
export function joinedBytes(text: Expression<string>) {
  return sql<Buffer | null>`cast(group_concat(${text}, ',') as blob)`
}
