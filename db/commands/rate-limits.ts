import { logAccountAction } from '../account-log.ts'
import { adminCommand, serviceCommand } from '../command.ts'
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
const KEYS_A_SLICE = 500

interface Unlocking {
  userId: string
  keys: readonly string[]
  beginnings: readonly string[]
  /** How many were forgotten before, by the same unlocking. */
  before: number
}

/**
 * Forgets what was counted of a user's account: for these keys, and some of those that begin like one of `beginnings`. Gives how many
 * there have been, and whether there may be more.
 */
export const unlockAccount = adminCommand<Unlocking, { count: number; isDone: boolean }>(
  'unlockAccount',
  async (trx, { userId, keys, beginnings, before, ...by }) => {
    let count = 0
    for (const key of keys) count += Number(await deletePoints(trx, key))
    const slices = []
    for (const beginning of beginnings) slices.push(await deletePointsOf(trx, beginning, KEYS_A_SLICE))
    count = slices.reduce((sum, size) => sum + size, count)
    // Who sets a new password is unlocked by the service, which `password_reset` tells.
    const isByHand = by.actor !== undefined || by.operator !== undefined
    if (isByHand && count > 0 && before === 0) await logAccountAction(trx, userId, 'unlocked', by)
    return {
      count: before + count,
      isDone: Math.max(...slices) < KEYS_A_SLICE
    }
  }
)
