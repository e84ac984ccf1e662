import { type Counts, countStaged, insertStagedAuthors } from '../authors/applying.ts'
import { importRows, type Outcome } from '../authors/importing.ts'
import type { PreparedRow } from '../authors/prepared-row.ts'
import { type Findings, revise } from '../authors/revising.ts'
import type { StagedDb } from '../authors/staged-tables.ts'
import { userCommand } from '../command.ts'
import { sqlOf } from '../engine.ts'
import type { Db } from '../tables.ts'

/** A million rows take 30 to 70 seconds; on a disk that is ten times slower it must come to its end too. */
const LONGEST_MS = 600_000

/** Does nothing, which only an editor may do. */
export const admitImport = userCommand<object, void>('admitImport', 'editor', async () => undefined)

/** Creates the authors of some rows, in their order, and gives what became of each. */
export const importSlice = userCommand<{ rows: PreparedRow[] }, Outcome[]>(
  'importSlice',
  'editor',
  (trx, { rows, id, actor }) => importRows(trx, rows, { stamp: id, actor })
)

/**
 * Creates all authors of the staged file whose rows were decided up to the change `since`, or none when one of the rows is refused now.
 */
export const applyImport = userCommand<{ staged: string; since: number }, Counts & Findings>(
  'applyImport',
  'editor',
  async (trx, { since, id, actor }) => {
    const staged = stagedIn(trx)
    const { refused, errors } = await revise(trx, staged, since)
    const counts = await countStaged(staged)
    if (refused > 0) return { ...counts, created: 0, refused, errors }
    await insertStagedAuthors(trx, staged, { stamp: id, actor })
    return { ...counts, refused, errors }
  },
  { longestMs: LONGEST_MS, readsStaged: true }
)

function stagedIn(trx: Db): StagedDb {
  return trx.withSchema(sqlOf(trx).stagedSchema) as unknown as StagedDb
}
