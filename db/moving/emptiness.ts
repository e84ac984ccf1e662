import { migrateInPlace, tableNames } from '../migrator.ts'
import { DatabaseRefused } from '../refusals.ts'
import type { Db } from '../tables.ts'
import type { MoveTarget } from './side.ts'
import { countRows } from './slices.ts'
import { MOVED_TABLES } from './tables.ts'

/** The rows that there are, by tables; those of the tables that are not there are none. */
export async function rowsIn(db: Db, tables: readonly string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const table of MOVED_TABLES.filter(({ name }) => tables.includes(name))) {
    const count = await countRows(db, table)
    if (count > 0) counts.set(table.name, count)
  }
  return counts
}

/** Makes the tables of a database without rows. Throws `DatabaseRefused` when there are tables that others have made. */
export async function makeTables({ db, place }: MoveTarget): Promise<void> {
  const tables = await tableNames(db)
  const own = MOVED_TABLES.filter(({ name }) => tables.includes(name))
  if (!tables.includes('kysely_migration') && own.length > 0)
    throw new DatabaseRefused(
      `${place} has a table ${own[0]?.name} of another application, and was left untouched. Move to a new database.`
    )
  await migrateInPlace(db)
}
