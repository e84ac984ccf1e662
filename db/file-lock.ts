import { closeSync, openSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { isBusy } from './sqlite/errors.ts'

const PATIENCE_MS = 2000

/** Another process holds the lock, and has for a while. */
export class FileLocked extends Error {
  override readonly name = 'FileLocked'
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

function acquire(lock: Sqlite.Database, lockFile: string): void {
  try {
    // In memory, for a journal on the disk could not be made where the disk is full.
    lock.exec('pragma journal_mode = memory; begin exclusive')
  } catch (error) {
    throw isBusy(error) ? new FileLocked(`${lockFile} is held by another process: try again.`) : error
  }
}
