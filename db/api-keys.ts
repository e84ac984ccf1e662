import { uuidv7 } from 'uuidv7'
import type { Db } from './database.ts'
import type { Role } from './users.ts'

export type KeyScope = 'read' | 'write'

export interface ApiKeysTable {
  id: string
  user_id: string
  name: string
  scope: KeyScope
  /** SHA-256, base64url: the key has so much randomness that nothing slower is needed. */
  key_hash: string
  created_at: string
  expires_at: string | null
  /** To the hour. */
  last_used_at: string | null
}

const PUBLIC_COLUMNS = ['id', 'name', 'scope', 'created_at', 'expires_at', 'last_used_at'] as const
const LAST_USE_PRECISION_MS = 3_600_000

export async function insertApiKey(
  db: Db,
  key: { userId: string; name: string; scope: KeyScope; keyHash: string; expiresAt: string | null }
) {
  return db
    .insertInto('api_keys')
    .values({
      id: uuidv7(),
      user_id: key.userId,
      name: key.name,
      scope: key.scope,
      key_hash: key.keyHash,
      created_at: new Date().toISOString(),
      expires_at: key.expiresAt
    })
    .returning(PUBLIC_COLUMNS)
    .executeTakeFirstOrThrow()
}

/** The user of a key that is good, with the key's scope. */
export async function findApiKeyUser(db: Db, keyHash: string) {
  return db
    .selectFrom('api_keys')
    .innerJoin('users', 'users.id', 'api_keys.user_id')
    .select(['users.id', 'users.role', 'api_keys.id as key_id', 'api_keys.scope', 'api_keys.last_used_at'])
    .where('key_hash', '=', keyHash)
    .where('users.disabled_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', new Date().toISOString())]))
    .$castTo<{ id: string; role: Role; key_id: string; scope: KeyScope; last_used_at: string | null }>()
    .executeTakeFirst()
}

/** Notes the use of a key, unless that was done within the last hour. */
export async function touchApiKey(
  db: Db,
  key: { key_id: string; last_used_at: string | null }
): Promise<void> {
  const now = Date.now()
  if (key.last_used_at !== null && now - Date.parse(key.last_used_at) < LAST_USE_PRECISION_MS) return
  await db
    .updateTable('api_keys')
    .set({ last_used_at: new Date(now).toISOString() })
    .where('id', '=', key.key_id)
    .execute()
}

/** Up to `limit` keys of a user, newest first, those before the id `before`. */
export async function listApiKeys(
  db: Db,
  userId: string,
  { limit, before }: { limit: number; before: string | undefined }
) {
  return db
    .selectFrom('api_keys')
    .select(PUBLIC_COLUMNS)
    .where('user_id', '=', userId)
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}

/** Whether there was such a key of this user. */
export async function deleteApiKey(db: Db, userId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('api_keys')
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Deletes all keys of a user. */
export async function deleteApiKeys(trx: Db, userId: string): Promise<void> {
  await trx.deleteFrom('api_keys').where('user_id', '=', userId).execute()
}
