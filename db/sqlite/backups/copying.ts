/** Copies a file page by page, all of one moment, while others read and write. */
import { chmodSync, closeSync, copyFileSync, existsSync, fsyncSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import { CompiledQuery, Kysely } from 'kysely'
import { contentsOf, refuseUnready } from '../../backups/contents.ts'
import type { Copied, Tell } from '../../backups/copies.ts'
import type { Tables } from '../../tables.ts'
import { Connection } from '../connection.ts'
import { ConnectionDialect } from '../dialect.ts'
import { asRefusal, DatabaseRefused, isBusy, isDamage } from '../errors.ts'
import { openUnchanged } from '../upkeep/check.ts'
import { COPY, KEYS } from './finish-restore.ts'

/** Half a megabyte, which takes less than a millisecond. */
const PAGES_AT_ONCE = 256
/** So long it rests for each millisecond of work: who reads and writes is not to notice. */
const REST = 1
/** Synced in parts: all at once would keep those waiting whose commit is synced then. */
const PAGES_A_SYNC = 4096
const NEVER = new Int32Array(new SharedArrayBuffer(4))

/** Copies the database and the keys beside it to a folder. In a process of its own: it stops its thread again and again. Throws `DatabaseRefused`. */
export async function copyFile(file: string, folder: string, tell: Tell): Promise<Copied> {
  const copy = path.join(folder, COPY)
  const source = opening(file)
  const connection = new Connection(source)
  const db = new Kysely<Tables>({ dialect: new ConnectionDialect(() => connection) })
  try {
    await refuseUnready(db, file)
    // What was acknowledged before this is in the copy.
    const madeAt = new Date()
    // A transaction that reads sees one moment to its end: however much is written, the copy never begins again.
    source.exec('begin')
    const contents = await contentsOf(db, countableTables(connection))
    await copyPages(source, copy, tell)
    keepInOneFile(copy)
    return { contents, madeAt, ...copyKeys(file, folder) }
  } catch (error) {
    throw asRefusal(error, isBusy(error) || isDamage(error) ? file : copy)
  } finally {
    await db.destroy()
  }
}

function opening(file: string): Sqlite.Database {
  try {
    return openUnchanged(file)
  } catch (error) {
    throw asRefusal(error, file)
  }
}

async function copyPages(source: Sqlite.Database, copy: string, tell: Tell): Promise<void> {
  closeSync(openSync(copy, 'wx', 0o600))
  const target = openSync(copy, 'r')
  let [synced, since] = [0, performance.now()]
  try {
    await source.backup(copy, {
      progress({ totalPages, remainingPages }) {
        const done = totalPages - remainingPages
        tell({ step: 'copying', unit: 'pages', done, total: totalPages })
        if (done - synced >= PAGES_A_SYNC) {
          fsyncSync(target)
          synced = done
        }
        Atomics.wait(NEVER, 0, 0, (performance.now() - since) * REST)
        since = performance.now()
        return PAGES_AT_ONCE
      }
    })
  } finally {
    closeSync(target)
  }
}

/** Without a log beside it, so that it can be read where nothing can be written. */
function keepInOneFile(copy: string): void {
  const database = new Sqlite(copy)
  try {
    database.pragma('journal_mode = delete')
  } finally {
    database.close()
  }
}

function copyKeys(file: string, folder: string): Pick<Copied, 'files' | 'notes'> {
  if (!existsSync(file + KEYS))
    return { files: [COPY], notes: [`no signing keys were there: ${file}${KEYS} is missing`] }
  const copy = path.join(folder, COPY + KEYS)
  if (!holdsKeys(file + KEYS))
    throw new DatabaseRefused(
      `${file}${KEYS} does not hold signing keys, without which the service would not start from a backup: restore it from an earlier one, or delete it and run \`npx library keys create\`.`
    )
  copyFileSync(file + KEYS, copy)
  chmodSync(copy, 0o600)
  return { files: [COPY, COPY + KEYS], notes: [] }
}

function holdsKeys(file: string): boolean {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).keys.length > 0
  } catch {
    return false
  }
}

/** The tables whose rows can be counted: no views, and none of those that the word index keeps for itself. */
export function countableTables(connection: Connection): string[] {
  const tables = connection.run<{ name: string }>(
    CompiledQuery.raw(
      `select name from pragma_table_list where schema = 'main' and type = 'table' and name not like 'sqlite_%'`
    )
  )
  return tables.rows.map(({ name }) => name)
}
