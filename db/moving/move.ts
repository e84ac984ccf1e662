/** Moves all that one database has to another, of whichever engines (docs/moving.md). */
import { findPendingMigration, findUnknownMigration, migrateInPlace, tableNames } from '../migrator.ts'
import { DatabaseRefused } from '../refusals.ts'
import { type Compared, compareAll, Different } from './compare.ts'
import { Copying } from './copy.ts'
import { rowsIn } from './emptiness.ts'
import type { Tell } from './events.ts'
import { Layout } from './layout.ts'
import { MARK } from './mark.ts'
import { BEGINNING, beginProgress, endProgress, type Progress, readProgress } from './progress.ts'
import { NotReplayed, replay } from './replay.ts'
import type { MoveSource, MoveTarget } from './side.ts'
import { stateOf } from './state.ts'
import { MOVED_TABLES } from './tables.ts'
import { checkWords, OtherWords, WordSum } from './words-check.ts'

/** What lies beside a database or in it, and is no row that may be copied as it is. */
export interface Companion {
  /** Throws a refusal when it cannot be moved. */
  check(): Promise<void>
  move(): Promise<void>
}

export interface MoveOptions {
  source: MoveSource
  target: MoveTarget
  companion: Companion
  tell: Tell
  /** Of a slice, if fewer than usual. */
  mostRows?: number | undefined
}

export interface Moved {
  tables: Compared[]
  /** How many rows were copied now; those of runs before were there already. */
  copied: number
  /** Whether an earlier run had done all. */
  wasComplete: boolean
}

/** Moves a source of this version's schema. Goes on where an earlier run was. Throws `DatabaseRefused`; until it has come to its end, no service starts on the target. */
export async function move(options: MoveOptions): Promise<Moved> {
  const { target } = options
  const tables = await tableNames(target.db)
  if (!tables.includes(MARK)) {
    const rows = await rowsIn(target.db, tables)
    if (rows.size > 0) return confirm(options, rows)
    await migrateInPlace(target.db)
  }
  return new Move(options).run()
}

/** Of a target with rows: whether they are those of the source, as after a run whose end nobody has seen. Throws `DatabaseRefused`. */
async function confirm(
  { source, target, companion, tell }: MoveOptions,
  rows: Map<string, number>
): Promise<Moved> {
  try {
    if ((await findPendingMigration(target.db)) !== undefined) throw new Different()
    const layout = await Layout.of(source, target)
    const compared = await compareAll({ source, target, layout, tell })
    await companion.check()
    await companion.move()
    return { tables: compared, copied: 0, wasComplete: true }
  } catch (error) {
    if (!(error instanceof Different)) throw error
    const [[table, count] = ['', 0]] = rows
    throw new DatabaseRefused(
      `${target.place} is not empty: it has ${count} rows in ${table}, and not what ${source.place} has. ` +
        'It was left untouched. Move to a new database.'
    )
  }
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
    try {
      const tables = await this.#copyAndCompare()
      await this.#checkAuthors()
      await companion.move()
      await this.#complete()
      return { tables, copied: this.#copied, wasComplete: false }
    } catch (error) {
      throw this.#explained(error)
    }
  }

  /** What can be mended, and what then. */
  #explained(error: unknown): unknown {
    if (error instanceof DatabaseRefused) return error
    const { source, target } = this.#options
    const refusal = target.explain(source.explain(error))
    if (!(refusal instanceof DatabaseRefused)) return error
    return new DatabaseRefused(
      `${refusal.message} Then run the same command again, which goes on where it was.`
    )
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
    const state = await stateOf(source.db)
    if (!(await tableNames(target.db)).includes(MARK)) {
      this.#hasResumed = false
      await beginProgress(target.db, { source: source.place, state })
      return { source: source.place, state, ...BEGINNING }
    }
    const unknown = await findUnknownMigration(target.db)
    if (unknown !== undefined)
      throw new DatabaseRefused(
        `${target.place} has the migration "${unknown}", which this version does not know: a newer one has begun the move, and must end it.`
      )
    const progress = await readProgress(target.db)
    if (progress.state === state && (await findPendingMigration(target.db)) === undefined) {
      this.#hasResumed = true
      return progress
    }
    if (progress.source !== source.place)
      throw new DatabaseRefused(
        `${target.place} is half moved from ${progress.source}: move it from there again, which goes on where it was, or move to a new database.`
      )
    await this.#beginAgain()
    return this.#progress()
  }

  async #beginAgain(): Promise<void> {
    this.#options.tell({ event: 'begun_again' })
    await this.#options.target.empty()
    await migrateInPlace(this.#options.target.db)
  }

  async #checkAuthors(): Promise<void> {
    const { source, target, tell } = this.#options
    try {
      const words = new WordSum(target)
      await replay(target.db, { tell, visit: (number, author) => words.addAuthor(number, author) })
      await checkWords(target, words, tell)
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
