import { logAccountAction } from '../account-log.ts'
import { deleteApiKeys } from '../api-keys.ts'
import { adminCommand, serviceCommand } from '../command.ts'
import { deletePasswordReset, isResetCode, upsertPasswordReset } from '../password-resets.ts'
import { Problem } from '../problems.ts'
import { endSessions } from '../sessions.ts'
import { findCredentials, getUser, updatePasswordHash } from '../users.ts'

/** Gives a user a reset code; one from before is no longer good. Throws `USER_NOT_FOUND`. */
export const createPasswordReset = adminCommand<{ userId: string; code: string; expiresAt: string }, void>(
  'createPasswordReset',
  async (trx, { userId, code, expiresAt, ...by }) => {
    await getUser(trx, userId)
    await upsertPasswordReset(trx, userId, code, expiresAt)
    await logAccountAction(trx, userId, 'reset_code_created', by)
  }
)

/** Sets a password by a reset code, and takes all sessions and keys away; gives the user's id. Throws `INVALID_RESET_CODE`. */
export const resetPassword = serviceCommand<{ username: string; code: string; newHash: string }, string>(
  'resetPassword',
  async (trx, { username, code, newHash, at }) => {
    const user = await findCredentials(trx, username)
    if (user === undefined || !(await isResetCode(trx, user.id, code, at))) {
      throw new Problem('INVALID_RESET_CODE', [])
    }
    await deletePasswordReset(trx, user.id)
    await updatePasswordHash(trx, user.id, newHash)
    await endSessions(trx, user.id, { reason: 'password_reset', at })
    await deleteApiKeys(trx, user.id)
    await logAccountAction(trx, user.id, 'password_reset', { at, actor: user })
    return user.id
  }
)
