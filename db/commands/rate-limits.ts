import { serviceCommand } from '../command.ts'
import { type AddedPoints, addPoints, deletePoints, type StoredPoints } from '../rate-limits.ts'

/** Counts points against a limit; gives where the key stands then. */
export const countPoints = serviceCommand<AddedPoints, StoredPoints>('countPoints', addPoints)

/** Forgets what was counted for a key; whether there was anything. */
export const forgetPoints = serviceCommand<{ key: string }, boolean>('forgetPoints', async (trx, { key }) =>
  deletePoints(trx, key)
)
