import { chmodSync, closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Sqlite from 'better-sqlite3'
import { makeFolder } from '../folders.ts'
import { finishRestore } from './backups/finish-restore.ts'
import { asRefusal, DatabaseRefused, damaged, fileRefused } from './errors.ts'
import { patiently } from './writing/patience.ts'

/** "LibA" in the file's header marks it as ours (https://sqlite.org/pragma.html#pragma_application_id). */
export const APPLICATION_ID = 0x4c696241
/**
 * Half of SQLite's usual size. Most pages that a create changes are pages of indexes in random order, each of which goes to the log
 * whole: with 4096 bytes a create writes 26 kB to it, with 2048 it writes 16 kB.
 */
export const PAGE_BYTES = 2048
const HEADER = { length: 100, magic: 'SQLite format 3\0', applicationIdOffset: 68 }
const STARTUP_PATIENCE_MS = 2000
export const LOG_KEPT_BYTES = 64 * 1024 * 1024

export interface Usage {
  /** The service has it open already: a log of writes is no sign of a crash, and nothing need be checked. */
  isInUse?: boolean
  /** This process has it open already. */
  isOpenHere?: boolean
  /** Until it is closed, nobody else may even read it. */
  isAlone?: boolean
}

/**
 * Opens the file with settings under which an acknowledged write survives a power cut, and makes sure that they hold.
 * Whatever is not ours is refused before a byte of it is changed. Throws `DatabaseRefused`.
 */
export function openDatabase(path: string, { isInUse, isOpenHere, isAlone }: Usage = {}): Sqlite.Database {
  // A process that opens and closes the file beside SQLite gives up the locks that SQLite holds on it there.
  if (!isOpenHere) prepareFile(path)
  const endedUncleanly = !isInUse && !isOpenHere && existsSync(`${path}-wal`)
  const database = new Sqlite(path, { fileMustExist: isOpenHere === true, timeout: STARTUP_PATIENCE_MS })
  try {
    // Before the log is opened, which is not shared then.
    if (isAlone) setPragma(database, 'locking_mode', 'exclusive')
    // Two that make a database at the same moment may each keep the other from it.
    patiently(() => applySettings(database))
    if (endedUncleanly) checkIntegrity(database, path)
    return database
  } catch (error) {
    database.close()
    throw asRefusal(error, path)
  }
}

/** A second connection to a database that is open already, for reading alone. */
export function openReader(path: string): Sqlite.Database {
  const database = new Sqlite(path, { readonly: true, timeout: STARTUP_PATIENCE_MS })
  setPragma(database, 'trusted_schema', 0)
  return database
}

/** Makes the file if it is not there, for its owner alone. Throws `DatabaseRefused` on one that is not ours. */
export function prepareFile(path: string): void {
  try {
    makeFolder(dirname(path))
    finishRestore(path)
    const found = existsSync(path) ? statSync(path) : undefined
    if (found?.isDirectory())
      throw new DatabaseRefused(`${path} is a folder. Set DATABASE_URL to a file in it.`)
    if (found !== undefined && !found.isFile())
      throw new DatabaseRefused(`${path} is a device and no file. Set DATABASE_URL to a file.`)
    if (found !== undefined && found.size > 0) refuseForeignFile(path)
    // SQLite gives its -wal and -shm files the mode of this one.
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
  } catch (error) {
    if (error instanceof DatabaseRefused) throw error
    throw new DatabaseRefused(fileRefused(error as NodeJS.ErrnoException, path))
  }
}

/** Before SQLite opens the file in this process. Throws `DatabaseRefused` on one that is not ours. */
export function refuseForeignFile(path: string): void {
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
    database.pragma(`page_size = ${PAGE_BYTES}`)
    database.pragma(`application_id = ${APPLICATION_ID}`)
  }
  setPragma(database, 'journal_mode', 'wal')
  // After journal_mode: better-sqlite3 is compiled so that WAL means NORMAL, which loses commits in a power cut.
  setPragma(database, 'synchronous', 2)
  setPragma(database, 'foreign_keys', 1)
  setPragma(database, 'trusted_schema', 0)
  // What undoes one member of a batch is all the pages that it has changed, which would go to a file again and again.
  // SQLite walks through them at the end of each statement with a journal of its own, so long work must have few of these.
  setPragma(database, 'temp_store', 2)
  // The writer thread copies the log itself, once its answers are on their way.
  setPragma(database, 'wal_autocheckpoint', 0)
  // The log of a large import is not kept at its size for ever.
  setPragma(database, 'journal_size_limit', LOG_KEPT_BYTES)
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
  if (result !== 'ok') throw new DatabaseRefused(damaged(path, result))
}
