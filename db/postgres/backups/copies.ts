/** Copies of a database on a server, as its own programs make and read them. */
import path from 'node:path'
import { Kysely } from 'kysely'
import { type Contents, checkContents, contentsOf, refuseUnready } from '../../backups/contents.ts'
import type { CheckedCopy, Copied, Copies, CopyChecker, Tell } from '../../backups/copies.ts'
import { BackupBusy } from '../../backups/make.ts'
import type { Tables } from '../../tables.ts'
import { Connection, serverOf } from '../connection.ts'
import { RunnerDialect } from '../dialect.ts'
import { asRefusal } from '../errors.ts'
import { TRY_BACKUP_LOCK } from '../locks.ts'
import { rowsOf } from '../moving/side.ts'
import { describeServer } from '../server-url.ts'
import { refuseUnfit } from '../upkeep/fitness.ts'
import { patientRunner } from '../upkeep/migrating.ts'
import { refuseUnusable, restoreDump, run } from './programs.ts'
import { refuseUsedDatabase, restoreDatabase } from './restoring.ts'
import { inScratch, mayCreate } from './scratch.ts'

export const ENGINE = 'postgres'
export const COPY = 'library.dump'
const NAME = 'backup'

export function copiesOfServer(url: string): Copies {
  return {
    engine: ENGINE,
    copyTo: (folder, tell) => dump(url, folder, tell),
    ...checkerOn(url),
    refuseUsed: () => refuseUsedDatabase(url),
    restoreFrom: (folder, _files, tell) => restoreDatabase(url, path.join(folder, COPY), tell)
  }
}

/** What checks copies by restoring them to a database beside that of a URL. */
export function checkerOn(url: string | undefined): CopyChecker {
  return {
    checkCopy: (folder, expected, tell) => checkDump(url, path.join(folder, COPY), { expected, tell })
  }
}

async function dump(url: string, folder: string, tell: Tell): Promise<Copied> {
  let connection: Connection | undefined
  try {
    connection = await Connection.open(serverOf(url), { name: NAME })
    await refuseUnusable('pg_dump', await majorOf(connection))
    const db = databaseOn(connection)
    await refuseUnfit(db)
    await refuseUnready(db, describeServer(url))
    // What was acknowledged before this is in the copy.
    const madeAt = new Date()
    const snapshot = await beginSnapshot(connection)
    const contents = await contentsOf(db, await tablesOf(connection))
    tell({ step: 'copying', unit: 'rows', done: 0, total: contents.counts.authors ?? 0 })
    const file = path.join(folder, COPY)
    await run('pg_dump', ['--format=custom', '--no-password', `--snapshot=${snapshot}`, `--file=${file}`], {
      url
    })
    return { contents, madeAt, files: [COPY], notes: [] }
  } catch (error) {
    throw asRefusal(error, url)
  } finally {
    await connection?.close()
  }
}

/** What is counted and what is copied are of one moment, for as long as this transaction is open. */
async function beginSnapshot(connection: Connection): Promise<string> {
  await connection.runAll([
    'begin isolation level repeatable read read only',
    'set local statement_timeout = 0',
    'set local idle_in_transaction_session_timeout = 0'
  ])
  const [row] = await rowsOf<{ mine: boolean; snapshot: string }>(
    connection,
    `select ${TRY_BACKUP_LOCK} as mine, pg_export_snapshot() as snapshot`
  )
  if (row?.mine) return row.snapshot
  throw new BackupBusy('Another process makes a backup of this database: try again when it is done.')
}

interface Checking {
  expected: Contents
  tell: Tell
}

async function checkDump(url: string | undefined, file: string, checking: Checking): Promise<CheckedCopy> {
  checking.tell({ step: 'reading the dump', unit: 'rows', done: 0, total: 1 })
  await run('pg_restore', ['--file=-', file], { isQuiet: true })
  const reason = url === undefined ? 'DATABASE_URL names no server' : await whyNoScratch(url)
  if (url === undefined || reason !== undefined)
    return { faults: [], notes: [`the dump was read to its end, but not restored anywhere: ${reason}`] }
  return inScratch(url, 'verify', async (scratch) => {
    checking.tell({ step: 'restoring the dump', unit: 'rows', done: 0, total: 1 })
    await restoreDump(scratch, file)
    const checked = await checkRestored(scratch, checking)
    return {
      ...checked,
      notes: ['it was restored to a database of its own, which was dropped again', ...checked.notes]
    }
  })
}

async function whyNoScratch(url: string): Promise<string | undefined> {
  try {
    return (await mayCreate(url)) ? undefined : 'this user may not create databases'
  } catch (error) {
    return (error as Error).message
  }
}

async function checkRestored(url: string, { expected, tell }: Checking): Promise<CheckedCopy> {
  const connection = await Connection.open(serverOf(url), { name: NAME })
  try {
    const db = databaseOn(connection)
    const actual = await contentsOf(db, await tablesOf(connection))
    return await checkContents(db, { expected, actual, tell })
  } finally {
    await connection.close()
  }
}

function databaseOn(connection: Connection): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new RunnerDialect(() => patientRunner(connection)) })
}

async function majorOf(connection: Connection): Promise<number> {
  const [row] = await rowsOf<{ version: number }>(
    connection,
    `select current_setting('server_version_num')::integer / 10000 as version`
  )
  return row?.version as number
}

async function tablesOf(connection: Connection): Promise<string[]> {
  const rows = await rowsOf<{ name: string }>(
    connection,
    `select relname::text as name from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')`
  )
  return rows.map(({ name }) => name)
}
