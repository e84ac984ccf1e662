/** What only somebody who asks for all that is kept about them needs, some at a time. */
import { sql } from 'kysely'
import type { ShownOperation } from './changes.ts'
import type { ReadDb } from './tables.ts'
import { numberOfUser } from './user-numbers.ts'

/** A change that the user has made. */
export interface OwnChange {
  sequence: number
  author_id: string
  version: number
  at: string
  operation: ShownOperation
}

/** So many changes of all users are looked at in some milliseconds: nobody else asks for those of one, so that no index pays for it. */
const CHANGES_AT_ONCE = 2000
const ROWS_AT_ONCE = 100

const AUTHOR_ID = sql<string>`coalesce(
  (select id from authors where authors.number = changes.author_number),
  (select deleted_id from changes as deletion
    where deletion.author_number = changes.author_number and deletion.deleted_id is not null limit 1)
)`
const OPERATION = sql<ShownOperation>`case
  when operation = 'deleted' and before = '{"id":"' || deleted_id || '","purged":true}' then 'purged' else operation end`

/** All changes that a user has made, in order. */
export async function* changesBy(db: ReadDb, userId: string): AsyncGenerator<OwnChange[]> {
  const user = await db.selectFrom('users').select('number').where('id', '=', userId).executeTakeFirst()
  for (let after = 0; ; ) {
    const slice = db.selectFrom('changes').select('sequence').where('sequence', '>', after)
    const { last } = await db
      .selectFrom(slice.orderBy('sequence').limit(CHANGES_AT_ONCE).as('slice'))
      .select((eb) => eb.fn.max<number | null>('sequence').as('last'))
      .executeTakeFirstOrThrow()
    if (last === null) return
    yield await db
      .selectFrom('changes')
      .select(['sequence', AUTHOR_ID.as('author_id'), 'version', 'at', OPERATION.as('operation')])
      .where('sequence', '>', after)
      .where('sequence', '<=', last)
      .where('actor_number', '=', user?.number ?? 0)
      .orderBy('sequence')
      .execute()
    after = last
  }
}

/** All authors of a user, as JSON. */
export async function* authorsOf(db: ReadDb, userId: string): AsyncGenerator<string[]> {
  for (let after = 0; ; ) {
    const rows = await db
      .selectFrom('authors')
      .select(['number', 'record'])
      .where('owner_number', '=', numberOfUser(userId))
      .where('number', '>', after)
      .orderBy('number')
      .limit(ROWS_AT_ONCE)
      .execute()
    yield rows.map(({ record }) => record)
    if (rows.length < ROWS_AT_ONCE) return
    after = rows.at(-1)?.number as number
  }
}

/** An answer that is kept for retries. */
export interface KeptRequest {
  idempotency_key: string
  answered_at: string
  status: number
}

/** Those of a user, with the author in them as JSON, if there is one. */
export async function* keptRequestsOf(
  db: ReadDb,
  userId: string
): AsyncGenerator<(KeptRequest & { body: string | null })[]> {
  for (let after = 0; ; ) {
    const rows = await db
      .selectFrom('idempotency_keys')
      .select(['id', 'key as idempotency_key', 'created_at as answered_at', 'status', 'body'])
      .where('user_number', '=', numberOfUser(userId))
      .where('id', '>', after)
      .orderBy('id')
      .limit(ROWS_AT_ONCE)
      .execute()
    yield rows.map(({ id: _, ...kept }) => kept)
    if (rows.length < ROWS_AT_ONCE) return
    after = rows.at(-1)?.id as number
  }
}

/** Until when the code is good that a user can set a new password with, if there is one. */
export async function findResetExpiry(db: ReadDb, userId: string): Promise<string | null> {
  const reset = db.selectFrom('password_resets').select('expires_at')
  return (await reset.where('user_number', '=', numberOfUser(userId)).executeTakeFirst())?.expires_at ?? null
}
