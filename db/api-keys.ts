import { latestCredible } from './clock.ts'
import type { Db, ReadDb } from './tables.ts'
import { numberOfUser } from './user-numbers.ts'
import type { Role } from './users.ts'

export type KeyScope = 'read' | 'write'

export interface ApiKeysTable {
  id: string
  user_number: number
  name: string
  scope: KeyScope
  /** SHA-256, base64url: the key has so much randomness that nothing slower is needed. */
  key_hash: string
  created_at: string
  expires_at: string | null
  /** To the hour. */
  last_used_at: string | null
}

declare module './tables.ts' {
  interface Tables {
    api_keys: ApiKeysTable
  }
}

const PUBLIC_COLUMNS = ['id', 'name', 'scope', 'created_at', 'expires_at', 'last_used_at'] as const
/** A key as the API shows it. */
export type ApiKey = Pick<ApiKeysTable, (typeof PUBLIC_COLUMNS)[number]>

const LAST_USE_PRECISION_MS = 3_600_000

/** The user of a key that is good, with the key's scope. */
export async function findApiKeyUser(db: ReadDb, keyHash: string, at = new Date().toISOString()) {
  return db
    .selectFrom('api_keys')
    .innerJoin('users', 'users.number', 'api_keys.user_number')
    .select([
      'users.id',
      'users.number',
      'users.role',
      'api_keys.id as key_id',
      'api_keys.scope',
      'api_keys.last_used_at'
    ])
    .where('key_hash', '=', keyHash)
    .where('users.disabled_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', at)]))
    .$castTo<{
      id: string
      number: number
      role: Role
      key_id: string
      scope: KeyScope
      last_used_at: string | null
    }>()
    .executeTakeFirst()
}

/** When a key of a user who may log in expired; undefined for one that has not, or that there is none of. */
export async function findExpiryOfKey(db: ReadDb, keyHash: string, at = new Date().toISOString()) {
  const found = await db
    .selectFrom('api_keys')
    .innerJoin('users', 'users.number', 'api_keys.user_number')
    .select('api_keys.expires_at')
    .where('key_hash', '=', keyHash)
    .where('users.disabled_at', 'is', null)
    .where('expires_at', '<=', at)
    .executeTakeFirst()
  return found?.expires_at ?? undefined
}

/** Whether a use at this time is to be noted: none was within the last hour, but for one in the future, by a clock that was ahead. */
export function isStaleUse(lastUsedAt: string | null, at: string): boolean {
  return lastUsedAt === null || lastUsedAt <= staleUse(at) || lastUsedAt > latestCredible(at)
}

function staleUse(at: string): string {
  return new Date(Date.parse(at) - LAST_USE_PRECISION_MS).toISOString()
}

/** Up to `limit` keys of a user, newest first, those before the id `before`. */
export async function listApiKeys(
  db: ReadDb,
  userId: string,
  { limit, before }: { limit: number; before: string | undefined }
) {
  return db
    .selectFrom('api_keys')
    .select(PUBLIC_COLUMNS)
    .where('user_number', '=', numberOfUser(userId))
    .$if(before !== undefined, (query) => query.where('id', '<', before as string))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}

/** Inserts a key; gives it as the API shows it. */
export async function insertApiKey(trx: Db, key: Omit<ApiKeysTable, 'last_used_at'>): Promise<ApiKey> {
  return trx
    .insertInto('api_keys')
    .values({ ...key, last_used_at: null })
    .returning(PUBLIC_COLUMNS)
    .executeTakeFirstOrThrow()
}

/** Notes the use of a key, unless that was done within the last hour. */
export async function updateLastUse(trx: Db, id: string, at: string): Promise<void> {
  await trx
    .updateTable('api_keys')
    .set({ last_used_at: at })
    .where('id', '=', id)
    .where((eb) =>
      eb.or([
        eb('last_used_at', 'is', null),
        eb('last_used_at', '<=', staleUse(at)),
        eb('last_used_at', '>', latestCredible(at))
      ])
    )
    .execute()
}

/** Whether there was such a key of this user. */
export async function deleteApiKey(trx: Db, userId: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('api_keys')
    .where('user_number', '=', numberOfUser(userId))
    .where('id', '=', id)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Deletes the keys of a user, up to `limit` of them; gives how many. */
export async function deleteApiKeys(trx: Db, userId: string, limit?: number): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('api_keys')
    .where('id', 'in', (rows) =>
      rows
        .selectFrom('api_keys')
        .select('id')
        .where('user_number', '=', numberOfUser(userId))
        .$if(limit !== undefined, (query) => query.limit(limit as number))
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
