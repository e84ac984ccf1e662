import { lstatSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { BASE_FOLDER } from './base-folder.ts'
import { type HeldLock, tryLock } from './file-lock.ts'
import { DatabaseRefused } from './refusals.ts'

const PREFIX = 'library-spool-'
const LOCK = 'lock'

/** A folder for files of this process alone. */
export interface SpoolFolder {
  readonly path: string
  /** Deletes it with all that is in it. */
  remove(): void
}

/**
 * Makes one in this folder, and deletes those that a crash has left there: while a process lives, it holds a lock in its own, which no
 * process number tells where containers share a folder. Throws `DatabaseRefused`.
 */
export function makeSpoolFolder(folder: string): SpoolFolder {
  const parent = path.resolve(BASE_FOLDER, folder)
  try {
    mkdirSync(parent, { recursive: true })
    deleteLeftFolders(parent)
    return makeLocked(parent)
  } catch (error) {
    const { message } = error as Error
    throw new DatabaseRefused(
      `The folder ${parent} cannot be used for uploads (${message}). Let this process write there, or set SPOOL_DIR to another folder.`
    )
  }
}

function makeLocked(parent: string): SpoolFolder {
  // Under a name that nobody looks for until the lock is held.
  const made = mkdtempSync(path.join(parent, `.${PREFIX}`))
  const lock = tryLock(path.join(made, LOCK)) as HeldLock
  const folder = path.join(parent, path.basename(made).slice(1))
  renameSync(made, folder)
  return {
    path: folder,
    remove() {
      rmSync(folder, { recursive: true, force: true })
      lock.release()
    }
  }
}

function deleteLeftFolders(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (name.startsWith(PREFIX)) deleteIfLeft(path.join(parent, name))
  }
}

function deleteIfLeft(folder: string): void {
  try {
    // What is of another user is not ours, in a folder that all may write to.
    if (lstatSync(folder).uid !== process.getuid?.()) return
    const lock = tryLock(path.join(folder, LOCK), { mustExist: true })
    if (lock === undefined) return
    rmSync(folder, { recursive: true, force: true })
    lock.release()
  } catch {
    // Another start deletes it at the same time.
  }
}
