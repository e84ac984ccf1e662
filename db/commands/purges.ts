import { deleteOldAccountChanges } from '../account-changes.ts'
import { serviceCommand } from '../command.ts'
import { deleteOldAnswers } from '../idempotency-keys.ts'
import { deleteExpiredPoints } from '../rate-limits.ts'
import { deleteOldSessions } from '../session-removal.ts'

/** So many rows are deleted at once; others write in between. */
export const ROWS_A_PURGE = 100
/** Until then a user can see why a session ended. */
const SESSIONS_KEPT_MS = 30 * 86_400_000

/** Deletes some of the kept answers that nobody may ask for any more; gives how many. */
export const purgeAnswers = serviceCommand<object, number>('purgeAnswers', async (trx, { at }) =>
  deleteOldAnswers(trx, at, ROWS_A_PURGE)
)

/** Deletes some of the counts whose window is over; gives how many. */
export const purgePoints = serviceCommand<object, number>('purgePoints', async (trx, { at }) =>
  deleteExpiredPoints(trx, Date.parse(at), ROWS_A_PURGE)
)

/** Deletes some of the sessions that ended or went idle 30 days ago; gives how many. */
export const purgeSessions = serviceCommand<object, number>('purgeSessions', async (trx, { at }) =>
  deleteOldSessions(trx, new Date(Date.parse(at) - SESSIONS_KEPT_MS).toISOString(), ROWS_A_PURGE)
)

/** Deletes some of the old changes of accounts; gives how many. */
export const purgeAccountChanges = serviceCommand<object, number>('purgeAccountChanges', async (trx) =>
  deleteOldAccountChanges(trx, ROWS_A_PURGE)
)
