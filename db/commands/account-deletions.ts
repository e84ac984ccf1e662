import { deleteAccount, findDeletion, insertDeletion, retireUser } from '../account-deletions.ts'
import { eraseAccountDetails, logAccountAction } from '../account-log.ts'
import { deleteApiKeys } from '../api-keys.ts'
import { disownSome } from '../authors/disowning.ts'
import { type Actor, serviceCommand, userCommand } from '../command.ts'
import { deleteAnswersOf } from '../idempotency-keys.ts'
import { deletePasswordReset } from '../password-resets.ts'
import { Problem } from '../problems.ts'
import { deleteSessions } from '../session-removal.ts'
import type { Db } from '../tables.ts'
import { findUserById, isLastAdmin } from '../users.ts'

/** So much is done at once; others write in between. An author is a dozen rows with its words and its place in the change log. */
const AUTHORS_A_SLICE = 100
const ROWS_A_SLICE = 200

/** Begins to delete the caller's account, which is dead from then on. Throws `LAST_ADMIN`. */
export const deleteMe = userCommand<object, void>('deleteMe', 'reader', async (trx, { actor, at }) =>
  beginDeletion(trx, { userId: actor.id, actor, at })
)

/** Begins to delete a user's account, which is dead from then on. Throws `USER_NOT_FOUND` or `LAST_ADMIN`. */
export const deleteUser = userCommand<{ userId: string }, void>(
  'deleteUser',
  'admin',
  async (trx, { actor, userId, at }) => beginDeletion(trx, { userId, actor, at })
)

async function beginDeletion(
  trx: Db,
  { userId, actor, at }: { userId: string; actor: Actor; at: string }
): Promise<void> {
  const user = await findUserById(trx, userId)
  if (user === undefined) throw new Problem('USER_NOT_FOUND', [userId])
  if (await isLastAdmin(trx, user)) throw new Problem('LAST_ADMIN', [])
  await insertDeletion(trx, { userId, actorNumber: actor.number, at })
  await logAccountAction(trx, userId, 'deleted', { at, actor })
  await retireUser(trx, userId, at)
  await deletePasswordReset(trx, userId)
}

/**
 * Does the next slice of a deletion that has begun; whether nothing is left to do. The authors stay, without owner, which is a change
 * of each.
 */
export const continueDeletion = serviceCommand<{ userId: string }, boolean>(
  'continueDeletion',
  async (trx, { userId, at }) => {
    const deletion = await findDeletion(trx, userId)
    if (deletion === undefined) return true
    const authors = await disownSome(trx, deletion, at, AUTHORS_A_SLICE)
    if (authors === AUTHORS_A_SLICE) return false
    for (const deleteSome of [deleteSessions, deleteApiKeys, deleteAnswersOf, eraseAccountDetails]) {
      if ((await deleteSome(trx, userId, ROWS_A_SLICE)) === ROWS_A_SLICE) return false
    }
    await deleteAccount(trx, userId)
    return true
  }
)
