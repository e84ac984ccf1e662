import { findPendingMigration } from '../migrator.ts'
import { DatabaseRefused } from '../refusals.ts'
import { checkAuthors } from './authors-check.ts'
import { compareAll, Different } from './compare.ts'
import { Layout } from './layout.ts'
import type { Moved, MoveOptions } from './options.ts'
import { NotReplayed } from './replay.ts'
import { OtherWords } from './words-check.ts'

/** Of a target with rows: whether they are those of the source, as after a run whose end nobody has seen. Throws `DatabaseRefused`. */
export async function confirm(
  { source, target, companion, tell }: MoveOptions,
  rows: Map<string, number>
): Promise<Moved> {
  try {
    if ((await findPendingMigration(target.db)) !== undefined) throw new Different()
    const layout = await Layout.of(source, target)
    const compared = await compareAll({ source, target, layout, tell })
    await checkAuthors(target, tell)
    await companion.confirm()
    return { tables: compared, copied: 0, wasComplete: true }
  } catch (error) {
    if (![Different, NotReplayed, OtherWords].some((kind) => error instanceof kind)) throw error
    const [[table, count] = ['', 0]] = rows
    throw new DatabaseRefused(
      `${target.place} is not empty: it has ${count} rows in ${table}, and not what ${source.place} has. ` +
        'It was left untouched. Move to a new database.'
    )
  }
}
