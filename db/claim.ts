import { realpathSync, statSync } from 'node:fs'
import { fileOf, prepareFile } from './dialect.ts'
import { holdLock } from './file-lock.ts'

/** What is known of a database before it is opened. */
export interface Claim {
  /** Whether there is nothing in it yet, if that can be known. */
  isNew?: boolean
  /** The id of the process that serves it already. */
  servedBy?: number
}

/** Notes that this process serves the database until it ends, and makes the file if it is not there. Before the process opens it. */
export function claimDatabase(databaseUrl: string): Claim {
  // Of a server others may have the database too: it is made for that.
  const file = fileOf(databaseUrl)
  if (file === undefined) return {}
  prepareFile(file)
  const path = realpathSync(file)
  return { isNew: statSync(path).size === 0, servedBy: holdLock(`${path}.lock`) }
}
