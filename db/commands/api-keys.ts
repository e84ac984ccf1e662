import { logAccountAction, logRevokedKeys } from '../account-log.ts'
import {
  type ApiKey,
  deleteApiKey,
  deleteApiKeys,
  insertApiKey,
  type KeyScope,
  updateLastUse
} from '../api-keys.ts'
import { adminCommand, serviceCommand, userCommand } from '../command.ts'
import { Problem } from '../problems.ts'
import { getUser } from '../users.ts'

interface NewKey {
  name: string
  scope: KeyScope
  keyHash: string
  expiresAt: string | null
}

/** Creates a key of the caller's. */
export const createApiKey = userCommand<NewKey, ApiKey>(
  'createApiKey',
  'reader',
  async (trx, { id, at, actor, name, scope, keyHash, expiresAt }) => {
    await logAccountAction(trx, actor.id, 'key_created', { at, actor }, { key_id: id })
    return insertApiKey(trx, {
      id,
      user_number: actor.number,
      name,
      scope,
      key_hash: keyHash,
      created_at: at,
      expires_at: expiresAt
    })
  }
)

/** Revokes a key of the caller's. Throws `KEY_NOT_FOUND`. */
export const revokeApiKey = userCommand<{ keyId: string }, void>(
  'revokeApiKey',
  'reader',
  async (trx, { at, actor, keyId }) => {
    if (!(await deleteApiKey(trx, actor.id, keyId))) throw new Problem('KEY_NOT_FOUND', [keyId])
    await logAccountAction(trx, actor.id, 'key_revoked', { at, actor }, { key_id: keyId })
  }
)

/** Revokes the keys of a user, or the one that is named. Throws `USER_NOT_FOUND` or `KEY_NOT_FOUND`. */
export const revokeKeysOfUser = adminCommand<{ userId: string; only?: string }, void>(
  'revokeKeysOfUser',
  async (trx, { userId, only, ...by }) => {
    await getUser(trx, userId)
    if (only === undefined) {
      await logRevokedKeys(trx, userId, by)
      await deleteApiKeys(trx, userId)
    } else if (await deleteApiKey(trx, userId, only)) {
      await logAccountAction(trx, userId, 'key_revoked', by, { key_id: only })
    } else throw new Problem('KEY_NOT_FOUND', [only])
  }
)

/** Notes the use of a key. */
export const touchApiKey = serviceCommand<{ keyId: string }, void>(
  'touchApiKey',
  async (trx, { keyId, at }) => updateLastUse(trx, keyId, at)
)
