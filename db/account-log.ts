import { sql } from 'kysely'
import type { Db, ReadDb } from './tables.ts'
import { idOfUser, numberOfUser } from './user-numbers.ts'
import type { Role } from './users.ts'

export type AccountAction =
  | 'registered'
  | 'created'
  | 'role_changed'
  | 'disabled'
  | 'enabled'
  | 'password_changed'
  | 'reset_code_created'
  | 'password_reset'
  | 'unlocked'
  | 'sessions_ended'
  | 'key_created'
  | 'key_revoked'
  | 'deleted'

/** What was done to each account, when and by whom, for people; what caches go by is `account_changes`. The commands write it. */
export interface AccountLogTable {
  user_number: number
  /** The first entry of an account is 1. */
  entry: number
  at: string
  action: AccountAction
  /** The user who did it, also one who is gone; null where the operator did. */
  actor_number: number | null
  /** The account on the operator's host, where it was done by a command there. */
  operator: string | null
  old_role: Role | null
  new_role: Role | null
  key_id: string | null
}

declare module './tables.ts' {
  interface Tables {
    account_log: AccountLogTable
  }
}

/** By whom and when: what every command knows of its call. */
export interface By {
  at: string
  actor?: { id: string } | undefined
  operator?: string | undefined
}

type Details = Partial<Pick<AccountLogTable, 'old_role' | 'new_role' | 'key_id'>>

/** Writes down what is done to an account, in the transaction that does it. */
export async function logAccountAction(
  trx: Db,
  userId: string,
  action: AccountAction,
  { at, actor, operator }: By,
  details: Details = {}
): Promise<void> {
  const userNumber = numberOfUser(userId)
  await trx
    .insertInto('account_log')
    .values({
      user_number: userNumber,
      entry: sql<number>`1 + coalesce((select max(entry) from account_log where user_number = ${userNumber}), 0)`,
      at,
      action,
      actor_number: actor === undefined ? null : numberOfUser(actor.id),
      operator: operator ?? null,
      old_role: null,
      new_role: null,
      key_id: null,
      ...details
    })
    .execute()
}

/** Writes down that all API keys are taken from a user, in the transaction that does it and before it does: an entry for each. */
export async function logRevokedKeys(trx: Db, userId: string, { at, actor, operator }: By): Promise<void> {
  const numberOfActor = actor === undefined ? sql<number | null>`null` : numberOfUser(actor.id)
  const last = sql`(select max(entry) from account_log where user_number = api_keys.user_number)`
  await trx
    .insertInto('account_log')
    .columns(['user_number', 'entry', 'at', 'action', 'actor_number', 'operator', 'key_id'])
    .expression(
      trx
        .selectFrom('api_keys')
        .select((eb) => [
          'user_number',
          sql<number>`coalesce(${last}, 0) + row_number() over (order by id)`.as('entry'),
          eb.val(at).as('at'),
          sql.lit<AccountAction>('key_revoked').as('action'),
          numberOfActor.as('actor_number'),
          eb.val(operator ?? null).as('operator'),
          'id as key_id'
        ])
        .where('user_number', '=', numberOfUser(userId))
    )
    .execute()
}

/** The number of a user, also of one who is gone, if there has been one of this id. */
export async function findUserNumber(db: ReadDb, id: string): Promise<number | undefined> {
  const found = await db
    .selectFrom('users')
    .select('number')
    .where('id', '=', id)
    .unionAll(db.selectFrom('former_users').select('number').where('id', '=', id))
    .executeTakeFirst()
  return found?.number
}

/** Up to `limit` entries of an account, newest first, those before the entry `before`. */
export async function listAccountLog(
  db: ReadDb,
  userNumber: number,
  { limit, before }: { limit: number; before: number | undefined }
) {
  return db
    .selectFrom('account_log')
    .select(['entry', 'at', 'action', 'operator', 'old_role', 'new_role', 'key_id'])
    .select(idOfUser('account_log.actor_number').as('actor_id'))
    .where('user_number', '=', userNumber)
    .$if(before !== undefined, (query) => query.where('entry', '<', before as number))
    .orderBy('entry', 'desc')
    .limit(limit)
    .execute()
}

/** Erases what some entries of an account tell beside what was done, when and by whom; gives how many these were. */
export async function eraseAccountDetails(trx: Db, userId: string, limit: number): Promise<number> {
  const { numUpdatedRows } = await trx
    .updateTable('account_log')
    .set({ old_role: null, new_role: null, key_id: null })
    .where('user_number', '=', numberOfUser(userId))
    .where('entry', 'in', (rows) =>
      rows
        .selectFrom('account_log')
        .select('entry')
        .where('user_number', '=', numberOfUser(userId))
        .where((eb) =>
          eb.or([
            eb('old_role', 'is not', null),
            eb('new_role', 'is not', null),
            eb('key_id', 'is not', null)
          ])
        )
        .limit(limit)
    )
    .executeTakeFirstOrThrow()
  return Number(numUpdatedRows)
}
