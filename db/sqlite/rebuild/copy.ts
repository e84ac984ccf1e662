import type Sqlite from 'better-sqlite3'
import { type Migrating, TELL_EVERY_MS } from '../../migration-news.ts'
import type { Rebuild, Step } from '../../rebuild-plan.ts'
import { inNewFile, type NewFile, type Position } from './new-file.ts'
import { Progress, type SizedStep } from './progress.ts'

/** A kill costs so much work at most, but for steps that are done in one piece. */
const SLICE_MS = 3000
/** However slow a commit is, it carries so many. */
const LEAST_ROWS = 500
const MOST_GROWTH = 4
/** The pages of indexes that are filled in random order should stay in memory. */
const CACHE_KIB = 256 * 1024
/** More than that goes to temporary files while an index is made. */
const SORTER_KIB = 64 * 1024

export interface RebuildOptions {
  /** Hears how far it is. */
  tell?: (event: Migrating) => void
  sliceMs?: number
  leastRows?: number
  tellEveryMs?: number
}

/** Does all steps that are not done yet, each slice of them in a transaction. */
export function copyRows(
  database: Sqlite.Database,
  target: NewFile,
  { migration, plan }: Rebuild,
  { tell = () => {}, sliceMs = SLICE_MS, leastRows, tellEveryMs = TELL_EVERY_MS }: RebuildOptions
): void {
  database.pragma('foreign_keys = 0')
  database.pragma(`new.cache_size = -${CACHE_KIB}`)
  database.pragma(`main.cache_size = -${SORTER_KIB}`)
  const steps = plan.steps.map((step) => ({ ...step, rows: rowsOf(database, step) }))
  const progress = new Progress(tell, { everyMs: tellEveryMs, migration, steps })
  let position = target.position
  progress.begin(position)
  for (let step = steps[position.step]; step !== undefined; step = steps[position.step]) {
    const least = leastRows ?? step.leastRows ?? LEAST_ROWS
    for (let slice = least; step === steps[position.step]; slice = Math.max(least, slice)) {
      const began = performance.now()
      position = copySlice(database, target, { step, position, slice })
      slice = paced(slice, sliceMs / (performance.now() - began))
      progress.reach(position)
    }
  }
}

interface Slice {
  step: SizedStep
  position: Position
  slice: number
}

/** Gives how far it is then. */
function copySlice(database: Sqlite.Database, target: NewFile, { step, position, slice }: Slice): Position {
  const { rows = 0, statements } = step
  const upTo = Math.min(position.done + slice, rows)
  const next = upTo === rows ? { step: position.step + 1, done: 0 } : { ...position, done: upTo }
  target.advance(next, () => {
    const range = { after: position.done, upTo }
    for (const statement of statements) database.prepare(inNewFile(statement)).run(range)
  })
  return next
}

function rowsOf(database: Sqlite.Database, { last }: Step): number | undefined {
  return last === undefined ? undefined : ((database.prepare(last).pluck().get() as number | null) ?? 0)
}

function paced(slice: number, factor: number): number {
  return Math.round(slice * Math.min(factor, MOST_GROWTH))
}
