import { sql } from 'kysely'
import { executedMigrations, findPendingMigration, findUnknownMigration, tableNames } from '../migrator.ts'
import { refuseHalfMoved } from '../moving/mark.ts'
import { NotReplayed, replay } from '../moving/replay.ts'
import { countRows } from '../moving/slices.ts'
import { DatabaseRefused } from '../refusals.ts'
import type { Db } from '../tables.ts'
import type { Tell } from './copies.ts'

/** What a database holds at one moment, as far as a manifest tells it. */
export interface Contents {
  /** The last migration that was run. */
  schema: string
  /** Rows by table. */
  counts: Record<string, number>
  /** Of the last change of an author; 0 before the first. */
  lastSequence: number
}

/** Counts the rows of these tables. */
export async function contentsOf(db: Db, tables: readonly string[]): Promise<Contents> {
  const counts: Record<string, number> = {}
  for (const name of tables.toSorted()) counts[name] = await countRows(db, { name })
  const schema = (await executedMigrations(db)).sort().at(-1) ?? ''
  return { schema, counts, lastSequence: tables.includes('changes') ? await lastSequenceOf(db) : 0 }
}

async function lastSequenceOf(db: Db): Promise<number> {
  const { rows } = await sql<{ last: number | null }>`select max(sequence) as last from changes`.execute(db)
  return rows[0]?.last ?? 0
}

/** Compares what a copy holds with what it should, and the change log with the authors. */
export async function checkContents(
  db: Db,
  { expected, actual, tell }: { expected: Contents; actual: Contents; tell: Tell }
): Promise<{ faults: string[]; notes: string[] }> {
  const faults = differences(expected, actual)
  // Of what has other rows, or lacks a table, the log cannot be replayed.
  if (faults.length > 0) return { faults, notes: [] }
  if ((await findPendingMigration(db)) !== undefined) return { faults, notes: [OLDER] }
  try {
    await replay(db, {
      tell: (event) => 'done' in event && tell({ ...event, step: 'replaying the log', unit: 'rows' }),
      visit: () => {}
    })
  } catch (error) {
    if (!(error instanceof NotReplayed)) throw error
    faults.push(`its log does not lead to its authors: ${error.message}`)
  }
  return { faults, notes: ['the log of changes was replayed against the authors'] }
}

const OLDER =
  'the log of changes was not replayed, since the schema is of an older version; the next start migrates it'

function differences(expected: Contents, actual: Contents): string[] {
  const faults: string[] = []
  const compare = (what: string, wanted: unknown, found: unknown) => {
    if (wanted !== found) faults.push(`it has ${found ?? 'no'} ${what}, and should have ${wanted ?? 'none'}`)
  }
  for (const table of Object.keys({ ...expected.counts, ...actual.counts }).sort())
    compare(`rows in ${table}`, expected.counts[table], actual.counts[table])
  compare('as its last change', expected.lastSequence, actual.lastSequence)
  compare('as its last migration', expected.schema, actual.schema)
  return faults
}

/** Throws `DatabaseRefused` on what is no database of ours as a whole, or of a newer version. */
export async function refuseUnready(db: Db, place: string): Promise<void> {
  const unknown = await findUnknownMigration(db)
  if (unknown !== undefined)
    throw new DatabaseRefused(
      `${place} has the migration "${unknown}", which this version does not know: back it up with the newer version that made it.`
    )
  const tables = await tableNames(db)
  await refuseHalfMoved(db, tables)
  if (!tables.includes('users'))
    throw new DatabaseRefused(`${place} has no tables yet: there is nothing to back up.`)
}
