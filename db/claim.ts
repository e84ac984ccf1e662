import { realpathSync, statSync } from 'node:fs'
import { DatabaseRefused, prepareFile } from './dialect.ts'
import { FileLocked, holdLock } from './file-lock.ts'

/**
 * Claims the database for this service until the process ends, and makes the file if it is not there; tells whether there is nothing
 * in it yet. Before this process opens the database. Throws `DatabaseRefused`.
 */
export function claimDatabase(file: string): { isNew: boolean } {
  prepareFile(file)
  const path = realpathSync(file)
  try {
    holdLock(`${path}.lock`)
  } catch (error) {
    if (!(error instanceof FileLocked)) throw error
    throw new DatabaseRefused(
      `${file} is in use by another service (process ${error.pid}). End that one, or set DATABASE_URL to another file; ` +
        'for more processes over one file set WORKERS.'
    )
  }
  return { isNew: statSync(path).size === 0 }
}
