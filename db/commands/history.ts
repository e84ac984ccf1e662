import { serviceCommand } from '../command.ts'
import type { HistoryKeep } from '../history/keeping.ts'
import { trimToKeep } from '../history/trimming.ts'
import { ROWS_A_PURGE } from './purges.ts'

interface Trimmed {
  /** How many versions went. */
  versions: number
  /** Those of the authors that are not done. */
  left: number[]
}

/** Lets old versions of these authors go, some of them; others write in between. */
export const trimHistories = serviceCommand<{ authors: number[]; keep: HistoryKeep }, Trimmed>(
  'trimHistories',
  async (trx, { authors, keep, at }) => {
    let versions = 0
    for (const [index, number] of authors.entries()) {
      versions += await trimToKeep(trx, number, { keep, at, limit: ROWS_A_PURGE - versions })
      if (versions >= ROWS_A_PURGE) return { versions, left: authors.slice(index) }
    }
    return { versions, left: [] }
  }
)
