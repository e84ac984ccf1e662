import type { Generated } from 'kysely'
import { compiledOnce } from './compiled.ts'
import type { Db, ReadDb } from './tables.ts'

/**
 * Which users had something of theirs changed that lets them in: role, being disabled, a session that ended, a key that was revoked. Triggers write
 * it, so that nothing that changes these can forget to, not even somebody with the SQLite shell.
 */
export interface AccountChangesTable {
  /** Without gaps, in the order of the commits. */
  sequence: Generated<number>
  user_id: string
}

declare module './tables.ts' {
  interface Tables {
    account_changes: AccountChangesTable
  }
}

/** Up to `limit` changes after the sequence number `after`, in order. */
export async function listAccountChanges(db: ReadDb, bounds: { after: number; limit: number }) {
  return (await selectChanges(db, bounds)).rows
}

const selectChanges = compiledOnce<{ after: number; limit: number }>()((db, { after, limit }) =>
  db.selectFrom('account_changes').selectAll().where('sequence', '>', after).orderBy('sequence').limit(limit)
)

/** The sequence number of the newest change; 0 before the first. */
export async function lastAccountSequence(db: ReadDb): Promise<number> {
  const row = await db
    .selectFrom('account_changes')
    .select('sequence')
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.sequence ?? 0
}

/** More than anybody who looks at them now and then can miss. */
const CHANGES_KEPT = 10_000

/** Deletes up to `limit` changes, the oldest first, but never the newest 10,000; gives how many. */
export async function deleteOldAccountChanges(trx: Db, limit: number): Promise<number> {
  const { last } = await trx
    .selectFrom('account_changes')
    .select((eb) => eb.fn.max('sequence').as('last'))
    .executeTakeFirstOrThrow()
  const { numDeletedRows } = await trx
    .deleteFrom('account_changes')
    .where('sequence', 'in', (rows) =>
      rows
        .selectFrom('account_changes')
        .select('sequence')
        .where('sequence', '<=', (last ?? 0) - CHANGES_KEPT)
        .orderBy('sequence')
        .limit(limit)
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}
