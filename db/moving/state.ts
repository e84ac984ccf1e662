import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { executedMigrations } from '../migrator.ts'
import type { Db } from '../tables.ts'
import { countRows } from './slices.ts'
import { MOVED_TABLES } from './tables.ts'

/**
 * What soon differs when somebody has written to a database: its migrations, how many rows each table has, and how far its logs are. What it
 * does not notice, such as another password, is found when the rows are compared.
 */
export async function stateOf(db: Db): Promise<string> {
  const parts: unknown[] = [await executedMigrations(db)]
  for (const table of MOVED_TABLES) parts.push(await countRows(db, table))
  for (const name of ['changes', 'account_changes']) {
    const { rows } = await sql<{
      last: number | null
    }>`select max(sequence) as last from ${sql.table(name)}`.execute(db)
    parts.push(rows[0]?.last)
  }
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
