import Sqlite from 'better-sqlite3'

/** A database that must not or cannot be used; the message says why and what to do. */
export class DatabaseRefused extends Error {
  override readonly name = 'DatabaseRefused'
}

/** The file that was opened is no longer where it was: what is written now would be gone with the process. */
export class DatabaseGone extends Error {
  override readonly name = 'DatabaseGone'
}

/** What was committed could not be put on the disk: nobody knows what of it is there, and no later write would be safe. */
export class DatabaseBroken extends Error {
  override readonly name = 'DatabaseBroken'

  constructor(cause: unknown) {
    super(
      `the log of writes cannot be put on the disk (${(cause as Error).message}); see to the disk, then start anew`,
      { cause }
    )
  }
}

/** Another connection held the lock for too long; for a thread that cannot hand on SQLite's own error. */
export class DatabaseBusy extends Error {
  override readonly name = 'DatabaseBusy'
}

/** The columns whose uniqueness a failed write would have broken, as `table.column, table.column`; else undefined. */
export function violatedUnique(error: unknown): string | undefined {
  if (!isSqliteError(error) || error.code !== 'SQLITE_CONSTRAINT_UNIQUE') return undefined
  return error.message.replace('UNIQUE constraint failed: ', '')
}

const OURS = [DatabaseGone, DatabaseBroken, DatabaseBusy]
/** Of a file beside the database. */
const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EROFS'])
/** Node's errors about threads and modules hold the system's own only in their texts. */
const NO_FILES = /\bEMFILE\b|\bENFILE\b|too many open files/
const UNAVAILABLE = /^SQLITE_(BUSY|FULL|IOERR|READONLY|CANTOPEN)/

/** Whether the engine could not do it now though nothing is wrong with the request: locked, full, not writable, gone. */
export function isUnavailable(error: unknown): boolean {
  if (OURS.some((unavailable) => error instanceof unavailable)) return true
  const { code = '', message = '' } = (error ?? {}) as NodeJS.ErrnoException
  if (NO_SPACE.has(code) || NO_FILES.test(message)) return true
  return isSqliteError(error) && UNAVAILABLE.test(error.code)
}

export function isBusy(error: unknown): boolean {
  return isSqliteError(error) && error.code.startsWith('SQLITE_BUSY')
}

function isSqliteError(error: unknown): error is InstanceType<typeof Sqlite.SqliteError> {
  return error instanceof Sqlite.SqliteError
}
