import type { Db, ReadDb } from './tables.ts'
import { numberOfUser } from './user-numbers.ts'

/**
 * The accounts that are being deleted, until nothing of them is left. What belongs to such a user is taken away in slices; its row
 * is the last to go, and nobody else sees it.
 */
export interface AccountDeletionsTable {
  user_number: number
  /** Who deleted the account. */
  actor_number: number
  begun_at: string
}

declare module './tables.ts' {
  interface Tables {
    account_deletions: AccountDeletionsTable
  }
}

/** The users whose deletion is not done, those that began first at first. */
export async function listPendingDeletions(db: ReadDb): Promise<string[]> {
  const rows = await db
    .selectFrom('account_deletions')
    .innerJoin('users', 'users.number', 'account_deletions.user_number')
    .select('users.id')
    .orderBy('begun_at')
    .execute()
  return rows.map(({ id }) => id)
}

export async function findDeletion(db: ReadDb, userId: string) {
  return db
    .selectFrom('account_deletions')
    .selectAll()
    .where('user_number', '=', numberOfUser(userId))
    .executeTakeFirst()
}

/** It goes with the row of the user. */
export async function insertDeletion(
  trx: Db,
  { userId, actorNumber, at }: { userId: string; actorNumber: number; at: string }
): Promise<void> {
  await trx
    .insertInto('account_deletions')
    .values({ user_number: numberOfUser(userId), actor_number: actorNumber, begun_at: at })
    .execute()
}

/** Lets nobody in with this account any more, and frees its name. No username has a key with letters in upper case. */
export async function retireUser(trx: Db, userId: string, at: string): Promise<void> {
  await trx
    .updateTable('users')
    .set({ disabled_at: at, username_key: `DELETED ${userId}`, username_skeleton: null })
    .where('id', '=', userId)
    .execute()
}

/** Deletes the row of a user, and with it what is left that belongs to it. */
export async function deleteAccount(trx: Db, userId: string): Promise<void> {
  await trx.deleteFrom('users').where('id', '=', userId).execute()
}
