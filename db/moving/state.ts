import { createHash } from 'node:crypto'
import { executedMigrations } from '../migrator.ts'
import type { MoveSource } from './side.ts'
import { countRows } from './slices.ts'
import { CHANGES, MOVED_TABLES } from './tables.ts'

/**
 * What soon differs when somebody has written to a database: its migrations, how many rows each table has, and the last numbers that it has
 * given. What it does not notice, such as another password, is found when the rows are compared.
 */
export async function stateOf(source: MoveSource): Promise<string> {
  const parts: unknown[] = [await executedMigrations(source.db)]
  for (const table of MOVED_TABLES) {
    parts.push(await countRows(source.db, table))
    if (table.isNumbered || table === CHANGES) parts.push(await source.lastNumberOf(table))
  }
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
