import type { Generated, Insertable } from 'kysely'
import { compiledOnce } from './compiled.ts'
import type { Db } from './database.ts'
import { inserter } from './insert-many.ts'

/** The answers to requests that came with an `Idempotency-Key`, for their retries. */
export interface IdempotencyKeysTable {
  id: Generated<number>
  user_id: string
  key: string
  /** Of the request, by which a key that comes with another request is told. */
  fingerprint: string
  status: number
  /** A JSON object. */
  headers: string
  body: string | null
  created_at: string
}

const KEPT_MS = 24 * 3_600_000
/** With so many at so short intervals, rows of the past never pile up. */
const PURGED_AT_ONCE = 200
const PURGED_EVERY_MS = 100

const selectKept = compiledOnce((db) =>
  db
    .selectFrom('idempotency_keys')
    .select(['id', 'fingerprint', 'status', 'headers', 'body', 'created_at'])
    .where('user_id', '=', 'the user')
    .where('key', '=', 'the key')
)

/** What was answered to this user under this key within the last 24 hours; forgets what was answered before. */
export async function findKeptAnswer(trx: Db, userId: string, key: string) {
  const [kept] = (await selectKept(trx, [userId, key])).rows
  if (kept === undefined || kept.created_at > keptSince()) return kept
  await trx.deleteFrom('idempotency_keys').where('id', '=', kept.id).execute()
  return undefined
}

const insertAnswer = inserter('idempotency_keys', [
  'user_id',
  'key',
  'fingerprint',
  'status',
  'headers',
  'body',
  'created_at'
])

/** Keeps an answer, in the transaction of what it tells of, and now and then forgets some that are older than 24 hours. */
export async function keepAnswer(
  trx: Db,
  answer: Omit<Insertable<IdempotencyKeysTable>, 'created_at'>
): Promise<void> {
  await forgetOldAnswers(trx)
  await insertAnswer(trx, [{ ...answer, created_at: new Date().toISOString() }])
}

let purgedAt = 0

/** Ids grow with age; where a clock was set back, rows wait until it has come to them again. */
async function forgetOldAnswers(trx: Db): Promise<void> {
  if (Date.now() - purgedAt < PURGED_EVERY_MS) return
  purgedAt = Date.now()
  await trx
    .deleteFrom('idempotency_keys')
    .where('created_at', '<=', keptSince())
    .where('id', 'in', (rows) =>
      rows.selectFrom('idempotency_keys').select('id').orderBy('id').limit(PURGED_AT_ONCE)
    )
    .execute()
}

function keptSince(): string {
  return new Date(Date.now() - KEPT_MS).toISOString()
}
