import { sql } from 'kysely'
import { DatabaseRefused } from '../../refusals.ts'
import type { Db } from '../../tables.ts'
import { BEGINNING } from '../schema.ts'

const OLDEST_VERSION = 140_000

/** What a server says of itself and of a database. */
export interface Traits {
  versionNumber: number
  version: string
  encoding: string
  database: string
  /** Where tables are made; null where there is no such place. */
  schema: string | null
  mayStage: boolean
}

/** Refuses, before anything is changed, a database that cannot hold ours or holds what is not ours. Throws `DatabaseRefused`. */
export async function refuseUnfit(db: Db): Promise<void> {
  const traits = await traitsOf(db)
  const reason = whyUnfit(traits)
  if (reason !== undefined) throw new DatabaseRefused(reason)
  await refuseForeignTables(db, traits)
}

async function traitsOf(db: Db): Promise<Traits> {
  const { rows } = await sql<Traits>`select
    current_setting('server_version_num')::integer as "versionNumber",
    current_setting('server_version') as version,
    current_setting('server_encoding') as encoding,
    current_database()::text as database,
    current_schema()::text as schema,
    has_database_privilege(current_database(), 'temporary') as "mayStage"`.execute(db)
  return rows[0] as Traits
}

/** Why a database cannot be ours, and what to do; undefined where it can. */
export function whyUnfit({
  versionNumber,
  version,
  encoding,
  database,
  schema,
  mayStage
}: Traits): string | undefined {
  if (versionNumber < OLDEST_VERSION)
    return `The server is PostgreSQL ${version}, but 14 or newer is needed: upgrade it, or set DATABASE_URL to another.`
  if (encoding !== 'UTF8')
    return (
      `The database ${database} has the encoding ${encoding}, which cannot hold every name. Make one that can, ` +
      `\`createdb --encoding=UTF8 --template=template0 --locale=C NAME\`, and set DATABASE_URL to it.`
    )
  if (schema === null)
    return `The database ${database} has no schema in which this user may have tables: correct its search_path, or give it rights in public.`
  if (!mayStage)
    return `This user may not make temporary tables in the database ${database}, as imports need: \`grant temporary on database ${database} to\` it.`
  return undefined
}

/** Tables of extensions are nobody's. Those of ours come in one transaction with the note of the migration that has made them. */
async function refuseForeignTables(db: Db, { database, schema }: Traits): Promise<void> {
  const { rows } = await sql<{ name: string }>`select relname::text as name from pg_class
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
      and relname not in ('kysely_migration', 'kysely_migration_lock')
      and not exists (
        select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
      )
    order by relname limit 4`.execute(db)
  if (rows.length === 0 || (await isOurs(db))) return
  const names = rows.slice(0, 3).map(({ name }) => name)
  const some = rows.length > names.length ? `${names.join(', ')} and more` : names.join(', ')
  throw new DatabaseRefused(
    `The database ${database} has tables of another application in the schema ${schema} (${some}); it was left untouched. ` +
      'Make a database of its own with createdb, and set DATABASE_URL to it.'
  )
}

async function isOurs(db: Db): Promise<boolean> {
  const { rows: found } = await sql`select where to_regclass('kysely_migration') is not null`.execute(db)
  if (found.length === 0) return false
  const { rows } = await sql`select from kysely_migration where name = ${BEGINNING}`.execute(db)
  return rows.length > 0
}
