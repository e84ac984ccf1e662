import { Kysely } from 'kysely'
import { type Applied, migrateInPlace, rebuildOfDown, refuseOtherSchema, stepDown } from '../migrator.ts'
import type { Rebuild } from '../rebuild-plan.ts'
import type { Db, Tables } from '../tables.ts'
import { Connection } from './connection.ts'
import { ConnectionDialect } from './dialect.ts'
import { openDatabase, type Usage } from './open.ts'
import { type RebuildOptions, rebuild } from './rebuild/index.ts'

interface Opened {
  connection: Connection
  db: Db
}

/** Opens the database with its schema up to date; one that is in use must be so already. Throws `DatabaseRefused`. */
export async function openMigrated(
  file: string,
  usage: Usage,
  options: RebuildOptions
): Promise<Opened & { applied: Applied[] }> {
  const applied: Applied[] = []
  while (true) {
    const opened = open(file, usage)
    const due = await orClose(opened, async () => {
      if (usage.isInUse) return refuseOtherSchema(opened.db)
      const result = await migrateInPlace(opened.db)
      applied.push(...result.applied)
      return result.rebuild
    })
    if (due === undefined) return { ...opened, applied }
    opened.connection.close()
    applied.push(rebuildFile(file, due, options))
  }
}

/** Brings the schema up to date. Throws `DatabaseRefused`. */
export async function migrateToLatest(file: string, options: RebuildOptions): Promise<Applied[]> {
  const { connection, applied } = await openMigrated(file, {}, options)
  connection.close()
  return applied
}

/** Undoes the last migration. Throws `DatabaseRefused`. */
export async function migrateDown(file: string, options: RebuildOptions): Promise<Applied[]> {
  const opened = open(file, {})
  const due = await orClose(opened, () => rebuildOfDown(opened.db))
  if (due === undefined) {
    try {
      return await stepDown(opened.db)
    } finally {
      opened.connection.close()
    }
  }
  opened.connection.close()
  return [rebuildFile(file, due, options)]
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
