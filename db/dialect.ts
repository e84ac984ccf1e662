/** All that knows the engine: how it is opened, what its errors mean, how its transactions begin. */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import Sqlite from 'better-sqlite3'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver
} from 'kysely'

/** "LibA" in the file's header marks it as ours (https://sqlite.org/pragma.html#pragma_application_id). */
export const APPLICATION_ID = 0x4c696241
const HEADER = { length: 100, magic: 'SQLite format 3\0', applicationIdOffset: 68 }

/** A database that must not or cannot be used; the message says why and what to do. */
export class DatabaseRefused extends Error {
  override readonly name = 'DatabaseRefused'
}

/** The absolute path of the file that a `DATABASE_URL` names: a path, or a URL that begins with `sqlite:`. */
export function databaseFile(url: string): string {
  return resolve(url.replace(/^sqlite:(\/\/)?/, ''))
}

/** The engine's dialect over the file at `path`, which is created if need be. Throws `DatabaseRefused`. */
export function createDialect(path: string): Dialect {
  return new LibraryDialect(path)
}

/**
 * Opens the file with settings under which an acknowledged write survives a power cut, and makes sure that they hold.
 * Whatever is not ours is refused before a byte of it is changed.
 */
export function openDatabase(path: string): Sqlite.Database {
  prepareFile(path)
  const endedUncleanly = existsSync(`${path}-wal`)
  const database = new Sqlite(path, { timeout: 2000 })
  try {
    applySettings(database)
    if (endedUncleanly) checkIntegrity(database, path)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function prepareFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const isNew = !existsSync(path) || statSync(path).size === 0
  if (!isNew) refuseForeignFile(path)
  // SQLite gives its -wal and -shm files the mode of this one.
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}

function refuseForeignFile(path: string): void {
  const header = Buffer.alloc(HEADER.length)
  const file = openSync(path, 'r')
  readSync(file, header, 0, HEADER.length, 0)
  closeSync(file)
  const isSqlite = header.toString('latin1', 0, HEADER.magic.length) === HEADER.magic
  if (isSqlite && header.readInt32BE(HEADER.applicationIdOffset) === APPLICATION_ID) return
  throw new DatabaseRefused(
    `${path} is ${isSqlite ? 'an SQLite database of another application' : 'not an SQLite database'}; ` +
      'it was left untouched. Set DATABASE_URL to another file.'
  )
}

function applySettings(database: Sqlite.Database): void {
  // First, and before WAL: the mark must stand in the file itself, where a later start looks for it.
  if (database.pragma('application_id', { simple: true }) === 0) {
    database.pragma(`application_id = ${APPLICATION_ID}`)
  }
  setPragma(database, 'journal_mode', 'wal')
  // After journal_mode: better-sqlite3 is compiled so that WAL means NORMAL, which loses commits in a power cut.
  setPragma(database, 'synchronous', 2)
  setPragma(database, 'foreign_keys', 1)
  setPragma(database, 'trusted_schema', 0)
}

function setPragma(database: Sqlite.Database, name: string, value: string | number): void {
  database.pragma(`${name} = ${value}`)
  const actual = database.pragma(name, { simple: true })
  if (actual !== value) {
    throw new DatabaseRefused(
      `SQLite keeps ${name} at ${actual} instead of ${value}; writes would not be safe.`
    )
  }
}

/** After a clean end there is no -wal file, so a large database that was closed well is never held up here. */
function checkIntegrity(database: Sqlite.Database, path: string): void {
  const result = String(database.pragma('quick_check(1)', { simple: true })).replace(/\s+/g, ' ')
  if (result !== 'ok') {
    throw new DatabaseRefused(
      `${path} is damaged (${result}). Restore it from a backup, or save what can be saved with: sqlite3 FILE .recover`
    )
  }
}

class LibraryDialect extends SqliteDialect {
  readonly #path: string

  constructor(path: string) {
    super({ database: async () => openDatabase(path) })
    this.#path = path
  }

  override createDriver() {
    return new LibraryDriver(this.#path)
  }

  override createAdapter() {
    return new TransactionalDdlAdapter()
  }
}

class LibraryDriver extends SqliteDriver {
  #database: Sqlite.Database | undefined

  constructor(path: string) {
    super({
      database: async () => {
        this.#database = openDatabase(path)
        return this.#database
      }
    })
  }

  /** Takes the write lock at the start: a deferred transaction that turns to writing can fail at once with SQLITE_BUSY. */
  override async beginTransaction(connection: DatabaseConnection) {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'))
  }

  /** After some errors, a full disk among them, SQLite has rolled back already; a second rollback would hide the cause. */
  override async rollbackTransaction(connection: DatabaseConnection) {
    if (this.#database?.inTransaction) await super.rollbackTransaction(connection)
  }
}

/** SQLite's DDL is transactional: all pending migrations happen, or none, and two starting processes take turns. */
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl() {
    return true
  }
}

/** The columns whose uniqueness a failed write would have broken, as `table.column, table.column`; else undefined. */
export function violatedUnique(error: unknown): string | undefined {
  if (!isSqliteError(error) || error.code !== 'SQLITE_CONSTRAINT_UNIQUE') return undefined
  return error.message.replace('UNIQUE constraint failed: ', '')
}

const UNAVAILABLE = /^SQLITE_(BUSY|FULL|IOERR|READONLY|CANTOPEN)/

/** Whether the engine could not do it now though nothing is wrong with the request: locked, full, not writable. */
export function isUnavailable(error: unknown): boolean {
  return isSqliteError(error) && UNAVAILABLE.test(error.code)
}

function isSqliteError(error: unknown): error is InstanceType<typeof Sqlite.SqliteError> {
  return error instanceof Sqlite.SqliteError
}
