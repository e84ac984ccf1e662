import { serviceCommand } from '../command.ts'
import {
  type AddedPoints,
  addPoints,
  deletePoints,
  deletePointsOf,
  type StoredPoints
} from '../rate-limits.ts'

/** Counts points against a limit; gives where the key stands then. */
export const countPoints = serviceCommand<AddedPoints, StoredPoints>('countPoints', addPoints)

/** Forgets what was counted for a key; whether there was anything. */
export const forgetPoints = serviceCommand<{ key: string }, boolean>('forgetPoints', async (trx, { key }) =>
  deletePoints(trx, key)
)

/** So many keys are forgotten at once; others write in between. */
export const KEYS_A_SLICE = 500

/** Forgets some of the keys that begin like this; gives how many. */
export const forgetPointsOf = serviceCommand<{ beginning: string }, number>(
  'forgetPointsOf',
  async (trx, { beginning }) => deletePointsOf(trx, beginning, KEYS_A_SLICE)
)
