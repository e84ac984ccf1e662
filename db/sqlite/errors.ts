import Sqlite from 'better-sqlite3'
import { DatabaseRefused, DatabaseUnavailable } from '../refusals.ts'

export { DatabaseRefused, DatabaseUnavailable }

/** Of a file beside the database. */
const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EROFS'])
/** Errors about threads, modules and libraries hold the system’s own only in their texts, in its words or in Node’s. */
const NO_FILES = /\bEMFILE\b|\bENFILE\b|too many open files/i
const UNAVAILABLE = /^SQLITE_(BUSY|FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|PROTOCOL)/

/** Whether the engine could not do it now though nothing is wrong with the request: locked, full, not writable, gone, damaged. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true
  const { code = '', message = '' } = (error ?? {}) as NodeJS.ErrnoException
  if (NO_SPACE.has(code) || NO_FILES.test(message)) return true
  return isSqliteError(error) && UNAVAILABLE.test(error.code)
}

/** The same error in a sentence for who starts the service, if it is about the file. */
export function asRefusal(error: unknown, path: string): unknown {
  if (error instanceof DatabaseRefused || !isUnavailable(error)) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  if (isDamage(error)) return new DatabaseRefused(damaged(path, message))
  return new DatabaseRefused(`${path} cannot be used (${code}: ${message}). ${adviceOn(code)}`)
}

/** What the system says about the file or its folder, in a sentence for who starts the service. */
export function fileRefused({ code = '', message }: NodeJS.ErrnoException, path: string): string {
  return `${path} cannot be used (${message}). ${FILE_ADVICE[code] ?? 'See to its disk.'} Set DATABASE_URL to another file otherwise.`
}

const WRITABLE = 'Let the user of this process write to it and its folder.'
const FILE_ADVICE: Record<string, string> = {
  EACCES: WRITABLE,
  EPERM: WRITABLE,
  EROFS: 'Its disk can only be read.',
  ENOSPC: 'Its disk is full: make room.',
  EDQUOT: 'Its disk is full for this user: make room.',
  ENOTDIR: 'A part of the path is a file and no folder.',
  ENAMETOOLONG: 'The name is too long.'
}

function adviceOn(code: string): string {
  if (code.startsWith('SQLITE_BUSY')) return 'Another process writes to it: try again.'
  if (code === 'SQLITE_READONLY_DBMOVED') return 'Another file has taken its place meanwhile: try again.'
  if (code === 'SQLITE_FULL') return 'Its disk is full: make room.'
  if (/^SQLITE_(CANTOPEN|READONLY)/.test(code)) return WRITABLE
  return 'See to its disk and permissions.'
}

export function damaged(path: string, reason: string): string {
  return `${path} is damaged (${reason}). Restore it from a backup, or save what can be saved with: sqlite3 FILE .recover`
}

export function isDamage(error: unknown): boolean {
  return isSqliteError(error) && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code)
}

export function isBusy(error: unknown): boolean {
  return isSqliteError(error) && error.code.startsWith('SQLITE_BUSY')
}

/** After a failed sync nobody knows what of the log is on the disk, so that no later write would be safe. */
export function isFailedSync(error: unknown): boolean {
  return isSqliteError(error) && /^SQLITE_IOERR_(DIR_)?FSYNC$/.test(error.code)
}

function isSqliteError(error: unknown): error is InstanceType<typeof Sqlite.SqliteError> {
  return error instanceof Sqlite.SqliteError
}
