import { promises as fs } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  FileMigrationProvider,
  type Migration,
  type MigrationInfo,
  type MigrationResultSet,
  Migrator
} from 'kysely/migration'
import { adapterOf } from './engine.ts'
import { refuseHalfMoved } from './moving/mark.ts'
import {
  isRebuilding,
  isRebuildNeeded,
  type MigrationNews,
  type Rebuild,
  type TellingMigration
} from './rebuild-plan.ts'
import { DatabaseRefused } from './refusals.ts'
import type { Db } from './tables.ts'

const MIGRATIONS = path.join(import.meta.dirname, '../migrations')

/** Hears from a migration how far it is, and what it has found. */
export type TellNews = (migration: string, news: MigrationNews) => void

/** The names of all migrations of this version, in their order. */
export async function knownMigrations(): Promise<string[]> {
  const files = await fs.readdir(MIGRATIONS)
  return files.flatMap((name) => /^(\d.+)\.[jt]s$/.exec(name)?.[1] ?? []).sort()
}

/** Kysely's migrator over `migrations/`, in the order of the file names. */
export function createMigrator(db: Db, tell: TellNews = () => {}): Migrator {
  const files = new FileMigrationProvider({
    fs,
    path,
    migrationFolder: MIGRATIONS,
    import: (file) => import(pathToFileURL(file).href)
  })
  const { ownMigrations } = adapterOf(db)
  const getMigrations = async () => {
    const all = withNews(await files.getMigrations(), tell)
    return ownMigrations?.(all) ?? all
  }
  return new Migrator({ db, provider: { getMigrations } })
}

/** The migrations, each with a second parameter that is called with how far it is and what it has found. */
function withNews(migrations: Record<string, TellingMigration>, tell: TellNews) {
  const entries = Object.entries(migrations).map(([name, migration]) => {
    const tellOfThis = (news: MigrationNews) => tell(name, news)
    const { up, down } = migration
    const told = {
      up: (db: Db) => up(db, tellOfThis),
      ...(down && { down: (db: Db) => down(db, tellOfThis) })
    }
    return [name, { ...migration, ...told }]
  })
  return Object.fromEntries(entries) as Record<string, Migration>
}

/** Brings the schema up to date, all of it or nothing. Throws `DatabaseRefused` on a database that a newer version made. */
export async function migrateToLatest(db: Db): Promise<void> {
  await refuseNewerSchema(db)
  resultsOf(await createMigrator(db).migrateToLatest())
}

/** What was done. */
export interface Applied {
  direction: 'up' | 'down'
  migration: string
}

export interface InPlaceOptions {
  tellNews?: TellNews
  /** The last migration that is done; the newest if left out. */
  upTo?: string | undefined
}

/**
 * Brings the schema up to date, or so far that the rows must be brought to a new file next: then what that needs is given too. Throws
 * `DatabaseRefused` on a database that a newer version made.
 */
export async function migrateInPlace(
  db: Db,
  options: InPlaceOptions = {}
): Promise<{ applied: Applied[]; rebuild?: Rebuild }> {
  await refuseNewerSchema(db)
  if (await isUpToDate(db)) return { applied: [] }
  const migrator = createMigrator(db, options.tellNews)
  const all = await migrator.getMigrations()
  const end = all.findIndex(({ name }) => name === options.upTo)
  const migrations = end === -1 ? all : all.slice(0, end + 1)
  const target = migrations.at(-1)?.name as string
  const index = migrations.findIndex(
    ({ executedAt, migration }) => executedAt === undefined && isRebuilding(migration)
  )
  const isNew = migrations.every(({ executedAt }) => executedAt === undefined)
  if (index === -1 || isNew) return { applied: appliedBy(await migrator.migrateTo(target)) }
  const { name, migration } = migrations[index] as MigrationInfo
  const applied = appliedBy(await migrator.migrateTo(migrations[index - 1]?.name as string))
  const rebuild = await rebuildFor(db, name, migration, 'up')
  if (rebuild !== undefined) return { applied, rebuild }
  applied.push(...appliedBy(await migrator.migrateTo(name)))
  const rest = await migrateInPlace(db, options)
  return { ...rest, applied: [...applied, ...rest.applied] }
}

/** What undoing the last migration needs when its rows must be brought to a new file; else nothing. Throws `DatabaseRefused`. */
export async function rebuildOfDown(db: Db): Promise<Rebuild | undefined> {
  await refuseNewerSchema(db)
  const migrations = await createMigrator(db).getMigrations()
  const last = migrations.findLast(({ executedAt }) => executedAt !== undefined)
  return last && rebuildFor(db, last.name, last.migration, 'down')
}

/** Undoes the last migration in place. */
export async function stepDown(db: Db, tellNews?: TellNews): Promise<Applied[]> {
  return appliedBy(await createMigrator(db, tellNews).migrateDown())
}

async function rebuildFor(
  db: Db,
  name: string,
  migration: Migration,
  direction: Rebuild['direction']
): Promise<Rebuild | undefined> {
  if (!isRebuilding(migration)) return undefined
  const plan = direction === 'up' ? migration.rebuildUp : migration.rebuildDown
  return (await isRebuildNeeded(db, plan)) ? { migration: name, direction, plan } : undefined
}

function appliedBy(set: MigrationResultSet): Applied[] {
  return resultsOf(set).map(({ direction, migrationName }) => ({
    direction: direction === 'Up' ? 'up' : 'down',
    migration: migrationName
  }))
}

/** Leaves the schema, which other processes use, as it is. Throws `DatabaseRefused` unless it is that of this version. */
export async function refuseOtherSchema(db: Db): Promise<void> {
  await refuseNewerSchema(db)
  const pending = await findPendingMigration(db)
  if (pending === undefined) return
  throw new DatabaseRefused(
    `The database lacks the migration "${pending}", and is used by workers of an older version: restart the service.`
  )
}

/** The single results of a run; throws what made it fail. */
export function resultsOf({ error, results }: MigrationResultSet) {
  if (error !== undefined) throw error
  return results ?? []
}

/** Throws `DatabaseRefused` on a database that a newer version made, and on one that is half moved. */
export async function refuseNewerSchema(db: Db): Promise<void> {
  await refuseHalfMoved(db, await tableNames(db))
  const unknown = await findUnknownMigration(db)
  if (unknown === undefined) return
  throw new DatabaseRefused(
    `The database has the migration "${unknown}", which this version does not know: a newer version made it. ` +
      'It was left untouched. Run that version, or set DATABASE_URL to another file.'
  )
}

/** A migration that a newer version has done. */
export async function findUnknownMigration(db: Db): Promise<string | undefined> {
  const known = new Set(await knownMigrations())
  return (await executedMigrations(db)).find((name) => !known.has(name))
}

/** The first migration that is not done yet. */
export async function findPendingMigration(db: Db): Promise<string | undefined> {
  const executed = new Set(await executedMigrations(db))
  return (await knownMigrations()).find((name) => !executed.has(name))
}

/** What migrations do is then not even loaded, which spares most starts a twentieth of their time. */
async function isUpToDate(db: Db): Promise<boolean> {
  return (await findPendingMigration(db)) === undefined
}

export async function tableNames(db: Db): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  return tables.map(({ name }) => name)
}

export async function executedMigrations(db: Db): Promise<string[]> {
  if (!(await tableNames(db)).includes('kysely_migration')) return []
  const rows = await db
    .withTables<{ kysely_migration: { name: string } }>()
    .selectFrom('kysely_migration')
    .select('name')
    .execute()
  return rows.map(({ name }) => name)
}
