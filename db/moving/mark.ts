/** The mark of a database that is half moved: a table of how far the move to it is, which goes with the last step. */
import { sql } from 'kysely'
import { DatabaseRefused } from '../refusals.ts'
import type { ReadDb } from '../tables.ts'

export const MARK = 'move_progress'

/** Why a database that a move from there has not finished must not be used. */
export function halfMoved(source = 'another'): DatabaseRefused {
  return new DatabaseRefused(
    `The database is half moved: what was in ${source} is not all here yet. ` +
      'Run the same `npx library move FROM TO` again, which goes on where it was.'
  )
}

/** Throws `DatabaseRefused` when these are the tables of a database that a move has not finished. */
export async function refuseHalfMoved(db: ReadDb, tables: readonly string[]): Promise<void> {
  if (!tables.includes(MARK)) return
  const { rows } = await db.executeQuery<{ source: string }>(
    sql`select source from ${sql.table(MARK)}`.compile({ getExecutor: () => db.getExecutor() } as never)
  )
  throw halfMoved(rows[0]?.source)
}
