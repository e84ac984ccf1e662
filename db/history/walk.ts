import type { Command } from '../command.ts'
import { trimHistories } from '../commands/history.ts'
import type { ReadDb } from '../tables.ts'
import type { HistoryKeep } from './keeping.ts'
import { listHistories, mayBeLong } from './trimming.ts'

/** So many are looked at in a millisecond or two. */
const AUTHORS_AT_ONCE = 200

export interface TrimOptions {
  keep: HistoryKeep
  /** What time it is. */
  now: () => string
  /** Runs a command of the service. */
  run<Input extends object, Output>(command: Command<Input, Output>, input: Input): Promise<Output>
  /** Lets others have their turn; whether to go on. */
  pause(): Promise<boolean>
}

/**
 * Looks at the histories of all authors, and lets go of what need not be kept, slice by slice. What is left to do is what is too much in the log, so that
 * it can be ended at any time, and several may do it at once. Gives how many versions went.
 */
export async function trimAll(db: ReadDb, { keep, now, run, pause }: TrimOptions): Promise<number> {
  let purged = 0
  for (let after = 0; ; ) {
    const histories = await listHistories(db, { after, limit: AUTHORS_AT_ONCE })
    const long = histories.filter((history) => mayBeLong(history, keep, now()))
    for (let left = long.map((history) => history.author_number); left.length > 0; ) {
      const trimmed = await run(trimHistories, { authors: left, keep })
      purged += trimmed.versions
      left = trimmed.left
      if (!(await pause())) return purged
    }
    if (histories.length < AUTHORS_AT_ONCE || !(await pause())) return purged
    after = histories.at(-1)?.author_number as number
  }
}
