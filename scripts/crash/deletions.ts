import { setTimeout as pause } from 'node:timers/promises'
import { readFile } from './database-file.ts'

const PATIENCE_MS = 10_000
const POLL_MS = 10

/** Waits until the restarted service has finished the deletions that had begun; gives the ids of users for whom that takes too long. */
export async function unfinishedDeletions(databaseFile: string): Promise<string[]> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const unfinished = pendingDeletions(databaseFile)
    if (unfinished.length === 0 || performance.now() > end) return unfinished
    await pause(POLL_MS)
  }
}

function pendingDeletions(databaseFile: string): string[] {
  return readFile(databaseFile, (database) => {
    const ids = 'select id from account_deletions left join users on number = user_number'
    return database.prepare(ids).pluck().all() as string[]
  })
}
