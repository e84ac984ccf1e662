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
  async (trx, { id, at, actor, name, scope, keyHash, expiresAt }) =>
    insertApiKey(trx, {
      id,
      user_number: actor.number,
      name,
      scope,
      key_hash: keyHash,
      created_at: at,
      expires_at: expiresAt
    })
)

/** Revokes a key of the caller's. Throws `KEY_NOT_FOUND`. */
export const revokeApiKey = userCommand<{ keyId: string }, void>(
  'revokeApiKey',
  'reader',
  async (trx, { actor, keyId }) => {
    if (!(await deleteApiKey(trx, actor.id, keyId))) throw new Problem('KEY_NOT_FOUND', [keyId])
  }
)

/** Revokes the keys of a user, or the one that is named. Throws `USER_NOT_FOUND` or `KEY_NOT_FOUND`. */
export const revokeKeysOfUser = adminCommand<{ userId: string; only?: string }, void>(
  'revokeKeysOfUser',
  async (trx, { userId, only }) => {
    await getUser(trx, userId)
    if (only === undefined) await deleteApiKeys(trx, userId)
    else if (!(await deleteApiKey(trx, userId, only))) throw new Problem('KEY_NOT_FOUND', [only])
  }
)

/** Notes the use of a key. */
export const touchApiKey = serviceCommand<{ keyId: string }, void>(
  'touchApiKey',
  async (trx, { keyId, at }) => updateLastUse(trx, keyId, at)
)
