import type { Db } from '../tables.ts'
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
