import { promises as fs } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { FileMigrationProvider, type MigrationResultSet, Migrator } from 'kysely/migration'
import type { Db } from './database.ts'
import { DatabaseRefused } from './dialect.ts'

const MIGRATIONS = path.join(import.meta.dirname, '../migrations')

/** Kysely's migrator over `migrations/`, in the order of the file names. */
export function createMigrator(db: Db): Migrator {
  const provider = new FileMigrationProvider({
    fs,
    path,
    migrationFolder: MIGRATIONS,
    import: (file) => import(pathToFileURL(file).href)
  })
  return new Migrator({ db, provider })
}

/** Brings the schema up to date, all of it or nothing. Throws `DatabaseRefused` on a database that a newer version made. */
export async function migrateToLatest(db: Db): Promise<void> {
  await refuseNewerSchema(db)
  resultsOf(await createMigrator(db).migrateToLatest())
}

/** Leaves the schema, which other processes use, as it is. Throws `DatabaseRefused` unless it is that of this version. */
export async function refuseOtherSchema(db: Db): Promise<void> {
  await refuseNewerSchema(db)
  const pending = (await createMigrator(db).getMigrations()).find(
    ({ executedAt }) => executedAt === undefined
  )
  if (pending === undefined) return
  throw new DatabaseRefused(
    `The database lacks the migration "${pending.name}", and is used by workers of an older version: restart the service.`
  )
}

/** The single results of a run; throws what made it fail. */
export function resultsOf({ error, results }: MigrationResultSet) {
  if (error !== undefined) throw error
  return results ?? []
}

/** Throws `DatabaseRefused` on a database that a newer version made. */
export async function refuseNewerSchema(db: Db): Promise<void> {
  const known = new Set((await createMigrator(db).getMigrations()).map(({ name }) => name))
  const unknown = (await executedMigrations(db)).find((name) => !known.has(name))
  if (unknown === undefined) return
  throw new DatabaseRefused(
    `The database has the migration "${unknown}", which this version does not know: a newer version made it. ` +
      'It was left untouched. Run that version, or set DATABASE_URL to another file.'
  )
}

async function executedMigrations(db: Db): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  if (!tables.some(({ name }) => name === 'kysely_migration')) return []
  const rows = await db
    .withTables<{ kysely_migration: { name: string } }>()
    .selectFrom('kysely_migration')
    .select('name')
    .execute()
  return rows.map(({ name }) => name)
}
