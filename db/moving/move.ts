/** Moves all that one database has to another, of whichever engines (docs/moving.md). */
import { findPendingMigration, findUnknownMigration, migrateInPlace, tableNames } from '../migrator.ts'
import { DatabaseRefused } from '../refusals.ts'
import { checkAuthors } from './authors-check.ts'
import { type Compared, compareAll, Different } from './compare.ts'
import { confirm } from './confirm.ts'
import { Copying } from './copy.ts'
import { rowsIn } from './emptiness.ts'
import { Layout } from './layout.ts'
import { MARK } from './mark.ts'
import type { Moved, MoveOptions } from './options.ts'
import { BEGINNING, beginProgress, endProgress, type Progress, readProgress, setState } from './progress.ts'
import { NotReplayed } from './replay.ts'
import { type MoveTarget, SideUnavailable } from './side.ts'
import { stateOf } from './state.ts'
import { MOVED_TABLES } from './tables.ts'
import { OtherWords } from './words-check.ts'

/** Moves a source of this version's schema. Goes on where an earlier run was. Throws `DatabaseRefused`; until it has come to its end, no service starts on the target. */
export async function move(options: MoveOptions): Promise<Moved> {
  try {
    return (await whereComplete(options)) ?? (await new Move(options).run())
  } catch (error) {
    if (!(error instanceof SideUnavailable)) throw error
    throw new DatabaseRefused(
      `${error.message} Then run the same command again, which goes on where it was.`,
      { cause: error }
    )
  }
}

/** What there is to tell of a target that has all already. One without rows gets its tables. */
async function whereComplete(options: MoveOptions): Promise<Moved | undefined> {
  const { target } = options
  const tables = await tableNames(target.db)
  if (tables.includes(MARK)) {
    await refuseNewer(target, 'a newer one has begun the move, and must end it')
    return undefined
  }
  await refuseNewer(target, 'move with the newer version that made it')
  const rows = await rowsIn(target.db, tables)
  if (rows.size > 0) return confirm(options, rows)
  await migrateInPlace(target.db)
  return undefined
}

async function refuseNewer({ db, place }: MoveTarget, remedy: string): Promise<void> {
  const unknown = await findUnknownMigration(db)
  if (unknown === undefined) return
  throw new DatabaseRefused(
    `${place} has the migration "${unknown}", which this version does not know: ${remedy}.`
  )
}

class Move {
  readonly #options: MoveOptions
  #hasResumed = false
  #copied = 0

  constructor(options: MoveOptions) {
    this.#options = options
  }

  async run(): Promise<Moved> {
    const { companion } = this.#options
    await companion.check()
    const tables = await this.#copyAndCompare()
    await this.#checkAuthors()
    await companion.move()
    await this.#complete()
    return { tables, copied: this.#copied, wasComplete: false }
  }

  /** What an earlier run has copied may be of another state of the source, so that all begins again. */
  async #copyAndCompare(): Promise<Compared[]> {
    const { source, target, tell } = this.#options
    const from = await this.#progress()
    const layout = await Layout.of(source, target)
    this.#copied += await new Copying({ ...this.#options, layout, from }).run()
    try {
      return await compareAll({ source, target, layout, tell })
    } catch (error) {
      if (!(error instanceof Different)) throw error
      if (!this.#hasResumed)
        throw new DatabaseRefused(
          `What was written to ${target.place} is not what ${source.place} has: ${error.message}. ` +
            'No service starts on it. Move to a new database.'
        )
      await this.#beginAgain()
      return this.#copyAndCompare()
    }
  }

  async #progress(): Promise<Progress> {
    const { source, target } = this.#options
    if (!(await tableNames(target.db)).includes(MARK)) await this.#mark()
    const state = await stateOf(source)
    const progress = await readProgress(target.db)
    const isOurs = (await findPendingMigration(target.db)) === undefined
    this.#hasResumed = isOurs && progress.state === state
    if (this.#hasResumed) return progress
    if (isOurs && progress.state === '') {
      await setState(target.db, { source: source.place, state })
      return { source: source.place, state, ...BEGINNING }
    }
    if (progress.source !== source.place)
      throw new DatabaseRefused(
        `${target.place} is half moved from ${progress.source}: move it from there again, which goes on where it was, or move to a new database.`
      )
    await this.#beginAgain()
    return this.#progress()
  }

  /** Before all else, because to learn the state of a large source takes its time. Refuses those who had come before. */
  async #mark(): Promise<void> {
    const { source, target } = this.#options
    await beginProgress(target.db, source.place)
    try {
      await target.refuseOthers()
    } catch (error) {
      await endProgress(target.db)
      throw error
    }
  }

  async #beginAgain(): Promise<void> {
    this.#options.tell({ event: 'begun_again' })
    await this.#options.target.empty()
    await migrateInPlace(this.#options.target.db)
  }

  async #checkAuthors(): Promise<void> {
    const { source, target, tell } = this.#options
    try {
      await checkAuthors(target, tell)
    } catch (error) {
      if (error instanceof NotReplayed)
        throw new DatabaseRefused(
          `All rows were copied as they are, but the log of ${source.place} does not lead to its authors: ${error.message}. ` +
            'No service starts on the target. Restore the source from a backup, then move that.'
        )
      if (!(error instanceof OtherWords)) throw error
      throw new DatabaseRefused(`All rows were copied, but ${error.message}. Move to a new database.`)
    }
  }

  async #complete(): Promise<void> {
    const { source, target } = this.#options
    await target.db.transaction().execute(async (trx) => {
      for (const table of MOVED_TABLES.filter(({ isNumbered }) => isNumbered)) {
        await target.setLastNumber(trx, table, await source.lastNumberOf(table))
      }
      await endProgress(trx)
    })
  }
}
