/** Puts a dump in the place of a database, which is kept under another name. */
import type { Restored, Tell } from '../../backups/copies.ts'
import { DatabaseRefused } from '../../refusals.ts'
import { Connection, serverOf } from '../connection.ts'
import { asRefusal } from '../errors.ts'
import { refuseUsed, rowsOf } from '../moving/side.ts'
import { describeServer } from '../server-url.ts'
import { restoreDump } from './programs.ts'
import {
  besides,
  createScratch,
  databaseNameOf,
  dropDatabase,
  mayCreate,
  quoted,
  withDatabase
} from './scratch.ts'

/** Throws `DatabaseRefused` while a service or another of our programs has the database. */
export async function refuseUsedDatabase(url: string): Promise<void> {
  if (!(await isThere(url))) return
  await connected(url, (connection) => refuseUsed(connection, describeServer(url)))
}

/** All or nothing. Throws `DatabaseRefused`. */
export async function restoreDatabase(url: string, file: string, tell: Tell): Promise<Restored> {
  tell({ step: 'restoring', unit: 'rows', done: 0, total: 1 })
  const place = describeServer(url)
  if ((await isThere(url)) && (await isEmpty(url))) {
    await restoreDump(url, file, ['--single-transaction'])
    return { place, setAside: undefined }
  }
  if (!(await mayCreate(url)))
    throw new DatabaseRefused(
      `This user may not create databases, and ${place} is not an empty one: make one with createdb and set DATABASE_URL to it, or let the user create databases. Nothing was changed.`
    )
  return { place, setAside: await restoreBeside(url, file) }
}

/** To a new database, which then gets the name of the old one: both are renamed, or none. */
async function restoreBeside(url: string, file: string): Promise<string | undefined> {
  const name = databaseNameOf(url)
  const scratch = await createScratch(url, 'restore')
  try {
    await restoreDump(withDatabase(url, scratch), file)
    await connected(withDatabase(url, scratch), (connection) => connection.runAll(['analyze']))
    const aside = (await isThere(url)) ? `${name}_before_${stamp()}` : undefined
    const away = aside === undefined ? [] : [`alter database ${quoted(name)} rename to ${quoted(aside)}`]
    const here = `alter database ${quoted(scratch)} rename to ${quoted(name)}`
    await besides(url, (connection) => connection.runAll(['begin', ...away, here, 'commit']))
    return aside
  } catch (error) {
    await besides(url, (connection) => dropDatabase(connection, scratch))
    throw inUse(error, url)
  }
}

function inUse(error: unknown, url: string): unknown {
  const { code, message } = error as Error & { code?: string }
  if (code !== '55006') return error
  return new DatabaseRefused(
    `${describeServer(url)} is in use (${message}): end what uses it, then try again. Nothing was changed.`
  )
}

function stamp(): string {
  return new Date().toISOString().slice(0, 19).replace(/\D/g, '')
}

function isThere(url: string): Promise<boolean> {
  return besides(url, async (connection) => {
    const rows = await rowsOf(connection, 'select from pg_database where datname = $1', databaseNameOf(url))
    return rows.length > 0
  })
}

async function isEmpty(url: string): Promise<boolean> {
  return connected(url, async (connection) => {
    const tables = `select from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f') limit 1`
    return (await rowsOf(connection, tables)).length === 0
  })
}

async function connected<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  let connection: Connection | undefined
  try {
    connection = await Connection.open(serverOf(url), { name: 'backup' })
    return await work(connection)
  } catch (error) {
    throw asRefusal(error, url)
  } finally {
    await connection?.close()
  }
}
