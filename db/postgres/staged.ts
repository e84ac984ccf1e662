/** Rows of a staged file (`../sqlite/staged.ts`) in tables of one transaction, so that its commands read them with SQL. */
import { type Kysely, sql } from 'kysely'
import { createStagedIndexes, STAGED_TABLES, type StagedKind } from '../authors/staged-tables.ts'
import { stagedParts } from '../sqlite/staged.ts'
import { vectorOfTerms } from './word-index.ts'

/** Where temporary tables are. */
export const STAGED = 'pg_temp'

/** As long as rows can be, these are some megabytes. */
const ROWS_AT_ONCE = 256

const TYPES: Record<StagedKind, string> = {
  key: 'bigint primary key',
  number: 'bigint',
  text: 'text collate "C"',
  terms: 'tsvector'
}

/** Copies the rows of a staged file to the server, where they are until the transaction ends. */
export async function copyStaged(db: Kysely<never>, file: string): Promise<void> {
  for (const [table, columns] of Object.entries(STAGED_TABLES)) {
    await createTable(table, columns).execute(db)
    for (const part of stagedParts(file, { table, columns: Object.keys(columns), rows: ROWS_AT_ONCE })) {
      await insertPart(table, columns, part).execute(db)
    }
  }
  await createStagedIndexes(db.withSchema(STAGED))
  await sql`analyze pg_temp.authors`.execute(db)
  // Last, so that a name without a schema is not that of a temporary table.
  await sql`select set_config('search_path', current_setting('search_path') || ', pg_temp', true)`.execute(db)
}

function createTable(table: string, columns: Record<string, StagedKind>) {
  const typed = Object.entries(columns).map(([name, kind]) => `${name} ${TYPES[kind]}`)
  return sql.raw(`create temporary table ${table} (${typed.join(', ')}) on commit drop`)
}

function insertPart(table: string, columns: Record<string, StagedKind>, part: string) {
  const typed = Object.entries(columns).map(
    ([name, kind]) =>
      sql`${sql.ref(name)} ${sql.raw(kind === 'key' || kind === 'number' ? 'bigint' : 'text')}`
  )
  const values = Object.entries(columns).map(([name, kind]) =>
    kind === 'terms' ? vectorOfTerms(sql.ref(name)) : sql.ref(name)
  )
  return sql`insert into ${sql.table(`${STAGED}.${table}`)}
    select ${sql.join(values)} from json_to_recordset(${part}::json) as part (${sql.join(typed)})`
}
