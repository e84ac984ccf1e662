import { closeSync, openSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import type { Connection } from './connection.ts'

/** What a staged file is called in SQL while it is attached. */
export const STAGED = 'staged'

/**
 * Measured with a million rows: in SQLite's usual 16 MB the pages of three indexes in random order are written and read again and
 * again, which takes 46 seconds instead of 20. Twice as much saves a tenth, and only in a catalogue of a million. It is given back.
 */
const CACHE_KIB = 256 * 1024

/** A new file for rows that are staged: nobody needs it after a crash, so that it is never synced. */
export function openStagedFile(file: string): Sqlite.Database {
  closeSync(openSync(file, 'wx', 0o600))
  const database = new Sqlite(file)
  // Without any, which better-sqlite3 does not allow, a transaction that fails would leave the file broken.
  database.pragma('journal_mode = memory')
  database.pragma('synchronous = off')
  database.pragma('locking_mode = exclusive')
  database.pragma('cache_size = -131072')
  return database
}

/** The rows of a table of a staged file in their order, some at a time: a JSON array of objects with these columns. */
export function* stagedParts(
  file: string,
  { table, columns, rows }: { table: string; columns: readonly string[]; rows: number }
): Generator<string> {
  const database = new Sqlite(file, { readonly: true, fileMustExist: true })
  try {
    const last = database.prepare(`select max(rowid) from ${table}`).pluck().get() as number | null
    const members = columns.map((column) => `'${column}', ${column}`).join(', ')
    const part = database
      .prepare(
        `select json_group_array(json_object(${members})) from ${table} where rowid > ? and rowid <= ?`
      )
      .pluck()
    for (let after = 0; after < (last ?? 0); after += rows) yield part.get(after, after + rows) as string
  } finally {
    database.close()
  }
}

/** Does the work while the connection has the file attached; SQLite cannot detach a file within a transaction that has locked it. */
export async function whileAttached<T>(
  connection: Connection,
  file: string,
  work: () => Promise<T>
): Promise<T> {
  const cacheSize = connection.pragma('cache_size')
  connection.runAlone(`attach ? as ${STAGED}`, file)
  try {
    // What is rolled back here too must be as it was, because the command may be run again.
    connection.pragma(`${STAGED}.journal_mode = memory`)
    connection.pragma(`${STAGED}.synchronous = off`)
    connection.pragma(`cache_size = -${CACHE_KIB}`)
    return await work()
  } finally {
    connection.pragma(`cache_size = ${cacheSize}`)
    connection.pragma('shrink_memory')
    connection.runAlone(`detach ${STAGED}`)
  }
}
