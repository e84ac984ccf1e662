import type { Db, ReadDb } from './tables.ts'

/** The keys that sign access tokens, in databases that several instances share; elsewhere they are in a file beside the database. */
export interface SigningKeysTable {
  kid: string
  public_key: string
  /** In Base64, or encrypted. */
  private_key: string
  created_at: string
  active_from: string
  retired_at: string | null
  expires_at: string | null
}

declare module './tables.ts' {
  interface Tables {
    signing_keys: SigningKeysTable
  }
}

/** All keys, those that sign first before the others. */
export async function listSigningKeys(db: ReadDb): Promise<SigningKeysTable[]> {
  return db
    .selectFrom('signing_keys')
    .select(['kid', 'public_key', 'private_key', 'created_at', 'active_from', 'retired_at', 'expires_at'])
    .orderBy('active_from')
    .orderBy('kid')
    .execute()
}

/** Puts these keys in the place of all that there are. */
export async function replaceKeys(trx: Db, keys: readonly SigningKeysTable[]): Promise<void> {
  await deleteKeys(trx)
  await trx.insertInto('signing_keys').values(keys).execute()
}

/** Forgets all keys. */
export async function deleteKeys(trx: Db): Promise<void> {
  await trx.deleteFrom('signing_keys').execute()
}
