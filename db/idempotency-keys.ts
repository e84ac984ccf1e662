import type { Generated } from 'kysely'
import { latestCredible } from './clock.ts'
import { compiledOnce } from './compiled.ts'
import { inserter } from './insert-many.ts'
import { lookUpEach } from './look-up-many.ts'
import type { Db, ReadDb } from './tables.ts'
import { numberOfUser } from './user-numbers.ts'

/** The answers to requests that came with an `Idempotency-Key`, for their retries. */
export interface IdempotencyKeysTable {
  id: Generated<number>
  user_number: number
  key: string
  /** Of the request, by which a key that comes with another request is told. */
  fingerprint: string
  status: number
  /** A JSON object. */
  headers: string
  body: string | null
  created_at: string
}

declare module './tables.ts' {
  interface Tables {
    idempotency_keys: IdempotencyKeysTable
  }
}

/** An answer as it is sent. */
export interface Answer {
  status: number
  headers: Record<string, string>
  /** JSON. */
  body: string | null
}

const KEPT_MS = 24 * 3_600_000

const selectKept = compiledOnce<{ userNumber: number; key: string }>()((db, { userNumber, key }) =>
  db
    .selectFrom('idempotency_keys')
    .select(['id', 'fingerprint', 'status', 'headers', 'body', 'created_at'])
    .where('user_number', '=', userNumber)
    .where('key', '=', key)
)

interface UserKey {
  userNumber: number
  key: string
}

const selectUsedKeys = lookUpEach<UserKey>()((db, { userNumber, key }) =>
  db
    .selectFrom('idempotency_keys')
    .select(['user_number', 'key'])
    .where('user_number', '=', userNumber)
    .where('key', '=', key)
)

/** Those of the users' keys under which something is kept, however old. */
export async function findUsedKeys(db: ReadDb, keys: readonly UserKey[]): Promise<UserKey[]> {
  const rows = await selectUsedKeys(db, keys)
  return rows.map(({ user_number, key }) => ({ userNumber: user_number, key }))
}

/** What is kept for this user under this key, however old. */
export async function findKept(db: ReadDb, userNumber: number, key: string) {
  return (await selectKept(db, { userNumber, key })).rows[0]
}

export type Kept = NonNullable<Awaited<ReturnType<typeof findKept>>>

/** What was answered within the 24 hours before `at`; forgets what was answered earlier. */
export async function keptAnswerOf(trx: Db, kept: Kept, at: string) {
  const { id, fingerprint, status, headers, body, created_at } = kept
  if (created_at > latestCredible(at)) await dateBack(trx, [id], at)
  if (created_at > keptSince(at)) {
    return { fingerprint, answer: { status, headers: JSON.parse(headers), body } satisfies Answer }
  }
  await trx.deleteFrom('idempotency_keys').where('id', '=', id).execute()
  return undefined
}

const insertAnswers = inserter('idempotency_keys', [
  'user_number',
  'key',
  'fingerprint',
  'status',
  'headers',
  'body',
  'created_at'
])

export interface AnsweredKey extends UserKey {
  fingerprint: string
  at: string
  answer: Answer
}

/** Keeps answers, in the transaction of what they tell of. */
export async function keepAnswers(trx: Db, answered: readonly AnsweredKey[]): Promise<void> {
  const rows = answered.map(({ userNumber, key, fingerprint, at, answer: { status, headers, body } }) => ({
    user_number: userNumber,
    key,
    fingerprint,
    status,
    headers: JSON.stringify(headers),
    body,
    created_at: at
  }))
  await insertAnswers(trx, rows)
}

/** Deletes up to `limit` answers that are older than 24 hours at `at`; gives how many. Ids grow with age. */
export async function deleteOldAnswers(trx: Db, at: string, limit: number): Promise<number> {
  const oldest = await trx
    .selectFrom('idempotency_keys')
    .select(['id', 'created_at'])
    .orderBy('id')
    .limit(limit)
    .execute()
  const idsOf = (rows: typeof oldest) => rows.map(({ id }) => id)
  // They would keep those after them from being deleted.
  await dateBack(trx, idsOf(oldest.filter(({ created_at }) => created_at > latestCredible(at))), at)
  const old = oldest.filter(({ created_at }) => created_at <= keptSince(at))
  if (old.length > 0) await trx.deleteFrom('idempotency_keys').where('id', 'in', idsOf(old)).execute()
  return old.length
}

/** What a clock has kept that was ahead is kept from now on, for a retry may still come, and not until that clock would have been right. */
async function dateBack(trx: Db, ids: number[], at: string): Promise<void> {
  if (ids.length === 0) return
  await trx.updateTable('idempotency_keys').set({ created_at: at }).where('id', 'in', ids).execute()
}

/** Deletes up to `limit` of the answers that are kept for a user; gives how many. */
export async function deleteAnswersOf(trx: Db, userId: string, limit: number): Promise<number> {
  const { numDeletedRows } = await trx
    .deleteFrom('idempotency_keys')
    .where('id', 'in', (rows) =>
      rows
        .selectFrom('idempotency_keys')
        .select('id')
        .where('user_number', '=', numberOfUser(userId))
        .limit(limit)
    )
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** The status of an answer whose author was erased. */
const GONE = 410

/**
 * Takes an erased author out of the answers after the id `after`, up to `limit` of which are looked at. A retry finds that it was answered, so that it does
 * not make the author once more. Gives the id of the last one that was looked at, or undefined at the end.
 */
export async function eraseAnswers(
  trx: Db,
  authorId: string,
  { after, limit }: { after: number; limit: number }
): Promise<number | undefined> {
  const slice = trx
    .selectFrom('idempotency_keys')
    .select('id')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
  const { last } = await trx
    .selectFrom(slice.as('slice'))
    .select((eb) => eb.fn.max<number | null>('id').as('last'))
    .executeTakeFirstOrThrow()
  if (last === null) return undefined
  // Headers are JSON, in which a quote within a text has another character before it.
  const hasItsTag = `%"etag":"_"${authorId.slice(-12)}.%`
  await trx
    .updateTable('idempotency_keys')
    .set({ status: GONE, headers: JSON.stringify({ purged: authorId }), body: null })
    .where('id', '>', after)
    .where('id', '<=', last)
    .where('headers', 'like', hasItsTag)
    .where((eb) => eb.or([eb('body', 'is', null), eb('body', 'like', `{"id":"${authorId}"%`)]))
    .execute()
  return last
}

/** The id of the author that an answer was about, when that author was erased since. */
export function erasedIn({ status, headers }: Answer): string | undefined {
  return status === GONE ? headers.purged : undefined
}

function keptSince(at: string): string {
  return new Date(Date.parse(at) - KEPT_MS).toISOString()
}
