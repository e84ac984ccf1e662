import { type ApiKey, deleteApiKey, insertApiKey, type KeyScope, updateLastUse } from '../api-keys.ts'
import { serviceCommand, userCommand } from '../command.ts'
import { Problem } from '../problems.ts'

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

/** Notes the use of a key. */
export const touchApiKey = serviceCommand<{ keyId: string }, void>(
  'touchApiKey',
  async (trx, { keyId, at }) => updateLastUse(trx, keyId, at)
)
