/** What operators learn of a migration. */
import { addressOf } from './authors/representation.ts'
import type { TellNews } from './migrator.ts'
import type { MigrationProgress } from './rebuild-plan.ts'

/** How far a migration is. */
export interface Migrating {
  event: 'migrating'
  migration: string
  step: string
  /** Rows of this step, unless it is done in one piece. */
  done?: number
  of?: number
  percent: number
  /** Unless it has only begun. */
  secondsLeft?: number
}

/** Authors that a migration has found to be the same as others; both are kept, and what to do is for people to decide. */
export interface FoundSame {
  event: 'same_authors'
  migration: string
  count: number
  /** The addresses of some of them, each after that of the author with the same name and book. */
  pairs: string[][]
}

export const TELL_EVERY_MS = 3000

export interface NewsOptions {
  tell?: (event: Migrating) => void
  tellEveryMs?: number
  tellSame?: (event: FoundSame) => void
}

/** Makes events of what migrations in place tell. */
export function newsFor({ tellSame = () => {}, ...options }: NewsOptions): TellNews {
  const tellProgress = progressOf(options)
  return (migration, news) => {
    if (!('same' in news)) return tellProgress(migration, news)
    const { count, pairs } = news.same
    const addresses = pairs.map((pair) => pair.map((slug) => addressOf({ slug })))
    tellSame({ event: 'same_authors', migration, count, pairs: addresses })
  }
}

/** Tells of migrations in place as of those to a new file, every few seconds, so never of short ones. */
function progressOf({ tell = () => {}, tellEveryMs = TELL_EVERY_MS }: NewsOptions) {
  let [current, begunAt, toldAt] = ['', 0, 0]
  return (migration: string, progress: MigrationProgress) => {
    const now = performance.now()
    if (migration !== current) [current, begunAt, toldAt] = [migration, now, now]
    if (now - toldAt < tellEveryMs) return
    toldAt = now
    const percent = Math.floor(progress.percent)
    const secondsLeft = Math.ceil(((now - begunAt) * (100 - percent)) / percent / 1000)
    tell({ event: 'migrating', migration, ...progress, percent, ...(percent > 0 && { secondsLeft }) })
  }
}
