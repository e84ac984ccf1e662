import { existsSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { halfMoved, MARK } from '../../moving/mark.ts'
import { finishRestore } from '../backups/finish-restore.ts'
import { asRefusal, DatabaseRefused } from '../errors.ts'

const PATIENCE_MS = 2000

interface Orphan {
  table: string
  rowid: number | null
  parent: string
}

/** What is wrong with the file, a sentence each, after a full check that writes nothing to it. Throws `DatabaseRefused`. */
export function checkFile(path: string): string[] {
  let database: Sqlite.Database | undefined
  try {
    database = openUnchanged(path)
    refuseHalfMoved(database)
    const damages = database.pragma('integrity_check') as { integrity_check: string }[]
    const orphans = database.pragma('foreign_key_check') as Orphan[]
    return [
      ...damages.map((row) => row.integrity_check).filter((text) => text !== 'ok'),
      ...orphans.map(
        ({ table, rowid, parent }) =>
          `row ${rowid} of ${table} refers to a row of ${parent} that is not there`
      )
    ]
  } catch (error) {
    throw asRefusal(error, path)
  } finally {
    database?.close()
  }
}

function refuseHalfMoved(database: Sqlite.Database): void {
  const isMarked = database.prepare('select 1 from sqlite_schema where name = ?').get(MARK) !== undefined
  if (isMarked) throw halfMoved(database.prepare(`select source from ${MARK}`).pluck().get() as string)
}

/** What reads only would leave a log behind, where there was none. A restore that was cut short is ended first. */
export function openUnchanged(path: string): Sqlite.Database {
  finishRestore(path)
  if (!existsSync(path)) throw new DatabaseRefused(`There is no ${path}.`)
  const database = new Sqlite(path, { readonly: existsSync(`${path}-wal`), timeout: PATIENCE_MS })
  database.pragma('query_only = 1')
  return database
}
