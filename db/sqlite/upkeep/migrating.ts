import { statSync } from 'node:fs'
import { Kysely } from 'kysely'
import { type FoundSame, type NewsOptions, newsFor } from '../../migration-news.ts'
import { type Applied, migrateInPlace, rebuildOfDown, refuseOtherSchema, stepDown } from '../../migrator.ts'
import type { Rebuild } from '../../rebuild-plan.ts'
import type { Db, Tables } from '../../tables.ts'
import { Connection } from '../connection.ts'
import { ConnectionDialect } from '../dialect.ts'
import { LOG_KEPT_BYTES, openDatabase, type Usage } from '../open.ts'
import { type RebuildOptions, rebuild } from '../rebuild/index.ts'

export type { FoundSame }

interface Opened {
  connection: Connection
  db: Db
}

interface MigrationOptions extends RebuildOptions, NewsOptions {
  /** The last migration that is done; the newest if left out. */
  upTo?: string
}

/** Opens the database with its schema up to date; one that is in use must be so already. Throws `DatabaseRefused`. */
export async function openMigrated(
  file: string,
  usage: Usage,
  options: MigrationOptions
): Promise<Opened & { applied: Applied[] }> {
  const applied: Applied[] = []
  const inPlace = { tellNews: newsFor(options), upTo: options.upTo }
  while (true) {
    const opened = open(file, usage)
    const due = await orClose(opened, async () => {
      if (usage.isInUse) return refuseOtherSchema(opened.db)
      const result = await migrateInPlace(opened.db, inPlace)
      applied.push(...result.applied)
      return result.rebuild
    })
    if (due === undefined) {
      if (applied.length > 0) shortenLog(file, opened.connection)
      return { ...opened, applied }
    }
    opened.connection.close()
    applied.push(rebuildFile(file, due, options))
  }
}

/** Brings the schema up to date. Throws `DatabaseRefused`. */
export async function migrateToLatest(file: string, options: MigrationOptions): Promise<Applied[]> {
  const { connection, applied } = await openMigrated(file, {}, options)
  connection.close()
  return applied
}

/** Undoes the last migration. Throws `DatabaseRefused`. */
export async function migrateDown(file: string, options: MigrationOptions): Promise<Applied[]> {
  const opened = open(file, {})
  const due = await orClose(opened, () => rebuildOfDown(opened.db))
  if (due === undefined) {
    try {
      return await stepDown(opened.db, newsFor(options))
    } finally {
      opened.connection.close()
    }
  }
  opened.connection.close()
  return [rebuildFile(file, due, options)]
}

/** After a migration in place of many rows, so that the first write does not have to copy its log. */
function shortenLog(file: string, connection: Connection): void {
  if (statSync(`${file}-wal`).size > LOG_KEPT_BYTES) connection.checkpoint('truncate')
}

function rebuildFile(file: string, due: Rebuild, options: RebuildOptions): Applied {
  rebuild(file, due, options)
  return { direction: due.direction, migration: due.migration }
}

function open(file: string, usage: Usage): Opened {
  const connection = new Connection(openDatabase(file, usage))
  return { connection, db: new Kysely<Tables>({ dialect: new ConnectionDialect(() => connection) }) }
}

async function orClose<T>({ connection }: Opened, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    connection.close()
    throw error
  }
}
