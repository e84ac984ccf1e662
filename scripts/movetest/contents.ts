import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import { openMoveSource } from '../../db/dialect.ts'
import { executedMigrations, tableNames } from '../../db/migrator.ts'
import { MARK } from '../../db/moving/mark.ts'
import type { MoveSide } from '../../db/moving/side.ts'
import { MOVED_TABLES } from '../../db/moving/tables.ts'

/** A digest of the rows of each table, and what else two databases must have in common. */
export async function contentsOf(url: string): Promise<Record<string, string>> {
  const side = await openMoveSource(url)
  try {
    const contents: Record<string, string> = {
      migrations: (await executedMigrations(side.db)).join(),
      mark: String((await tableNames(side.db)).includes(MARK))
    }
    for (const { name } of MOVED_TABLES) contents[name] = await digestOf(side, name)
    for (const table of MOVED_TABLES.filter(({ isNumbered }) => isNumbered)) {
      contents[`last number of ${table.name}`] = String(await side.lastNumberOf(table))
    }
    return contents
  } finally {
    await side.close()
  }
}

/** Without an order: what has come twice or not at all differs all the same. */
async function digestOf(side: MoveSide, table: string): Promise<string> {
  const columns = (await side.columnsOf(table)).filter(({ isGenerated }) => !isGenerated)
  const names = columns.map(({ name }) => name).sort()
  const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(table)}`.execute(side.db)
  const texts = rows.map((row) => JSON.stringify(names.map((name) => row[name])))
  return `${rows.length} rows ${createHash('sha256').update(texts.sort().join('\n')).digest('hex')}`
}

/** What two databases do not have in common. */
export function differences(one: Record<string, string>, other: Record<string, string>): string[] {
  return Object.keys(one)
    .filter((name) => one[name] !== other[name])
    .map((name) => `${name} differs`)
}
