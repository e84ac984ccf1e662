import { setTimeout as pause } from 'node:timers/promises'
import { readBeside } from './reading.ts'

const PATIENCE_MS = 10_000
const POLL_MS = 10

/** Waits until the restarted service has finished the deletions that had begun; gives the ids of users for whom that takes too long. */
export async function unfinishedDeletions(databaseUrl: string): Promise<(string | null)[]> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const unfinished = await pendingDeletions(databaseUrl)
    if (unfinished.length === 0 || performance.now() > end) return unfinished
    await pause(POLL_MS)
  }
}

function pendingDeletions(databaseUrl: string): Promise<(string | null)[]> {
  return readBeside(databaseUrl, async (db) => {
    const deletions = db.selectFrom('account_deletions').leftJoin('users', 'users.number', 'user_number')
    return (await deletions.select('users.id').execute()).map(({ id }) => id)
  })
}
