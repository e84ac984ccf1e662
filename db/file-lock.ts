import { closeSync, openSync, readSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { isBusy } from './sqlite/errors.ts'

const PATIENCE_MS = 2000

/** Where SQLite keeps its `user_version`. */
const PID_OFFSET = 60

/** Another process holds the lock, and has for a while. */
export class FileLocked extends Error {
  override readonly name = 'FileLocked'

  constructor(lockFile: string) {
    super(`${lockFile} is held by another process: try again.`)
  }
}

const held = new Map<string, Sqlite.Database>()

/**
 * Holds a lock of the same kind until it is released or this process ends, with its id in the file; gives the id of the process that has it
 * already, if that is another one.
 */
export function holdLock(lockFile: string): number | undefined {
  // To open and close the file would give the lock up.
  if (held.has(lockFile)) return undefined
  closeSync(openSync(lockFile, 'a', 0o600))
  const lock = new Sqlite(lockFile, { timeout: 0 })
  // A page that the disk writes whole. This mode keeps the lock after the commit.
  lock.exec('pragma page_size = 512; pragma locking_mode = exclusive')
  try {
    acquire(lock, lockFile)
    lock.exec(`pragma user_version = ${process.pid}; commit`)
    held.set(lockFile, lock)
    return undefined
  } catch (error) {
    lock.close()
    if (!(error instanceof FileLocked)) throw error
    return pidIn(lockFile)
  }
}

/** Gives up a lock that is held, if it is. */
export function releaseLock(lockFile: string): void {
  held.get(lockFile)?.close()
  held.delete(lockFile)
}

function pidIn(lockFile: string): number {
  const bytes = Buffer.alloc(4)
  const file = openSync(lockFile, 'r')
  readSync(file, bytes, 0, bytes.length, PID_OFFSET)
  closeSync(file)
  return bytes.readInt32BE()
}

/**
 * Does the work while no other process does any under the same lock file, which stays behind, empty.
 * The lock is SQLite's, so the kernel's: it ends with its process, however that ends, and can never be stale.
 * Throws `FileLocked` after two seconds of waiting.
 */
export function whileLocked<T>(lockFile: string, work: () => T): T {
  closeSync(openSync(lockFile, 'a', 0o600))
  const lock = new Sqlite(lockFile, { timeout: PATIENCE_MS })
  try {
    acquire(lock, lockFile)
    return work()
  } finally {
    lock.close()
  }
}

export interface HeldLock {
  release(): void
}

/** Holds a lock of the same kind until it is released; undefined when it is held already, also by this process. */
export function tryLock(
  lockFile: string,
  { mustExist = false }: { mustExist?: boolean } = {}
): HeldLock | undefined {
  // Opened by SQLite alone, which keeps the locks that this process may have on the file.
  const lock = new Sqlite(lockFile, { timeout: 0, fileMustExist: mustExist })
  try {
    acquire(lock, lockFile)
    return { release: () => lock.close() }
  } catch (error) {
    lock.close()
    if (error instanceof FileLocked) return undefined
    throw error
  }
}

function acquire(lock: Sqlite.Database, lockFile: string): void {
  try {
    // In memory, for a journal on the disk could not be made where the disk is full.
    lock.exec('pragma journal_mode = memory; begin exclusive')
  } catch (error) {
    throw isBusy(error) ? new FileLocked(lockFile) : error
  }
}
