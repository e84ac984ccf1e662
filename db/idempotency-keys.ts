import type { Db } from './database.ts'

/** The answers to requests that came with an `Idempotency-Key`, for their retries. */
export interface IdempotencyKeysTable {
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
/** More than the one row that a request adds, so that rows of the past never pile up. */
const PURGED_AT_ONCE = 20

/** What was answered to this user under this key within the last 24 hours. */
export async function findKeptAnswer(db: Db, userId: string, key: string) {
  return db
    .selectFrom('idempotency_keys')
    .select(['fingerprint', 'status', 'headers', 'body'])
    .where('user_id', '=', userId)
    .where('key', '=', key)
    .where('created_at', '>', keptSince())
    .executeTakeFirst()
}

/** Keeps an answer, in the transaction of what it tells of, and forgets some that are older than 24 hours. */
export async function keepAnswer(trx: Db, answer: Omit<IdempotencyKeysTable, 'created_at'>): Promise<void> {
  await forgetOldAnswers(trx)
  const row = { ...answer, created_at: new Date().toISOString() }
  await trx
    .insertInto('idempotency_keys')
    .values(row)
    .onConflict((conflict) => conflict.columns(['user_id', 'key']).doUpdateSet(row))
    .execute()
}

async function forgetOldAnswers(trx: Db): Promise<void> {
  await trx
    .deleteFrom('idempotency_keys')
    .where(
      (eb) => eb.refTuple('user_id', 'key'),
      'in',
      (rows) =>
        rows
          .selectFrom('idempotency_keys')
          .select(['user_id', 'key'])
          .where('created_at', '<=', keptSince())
          .orderBy('created_at')
          .limit(PURGED_AT_ONCE)
          .$asTuple('user_id', 'key')
    )
    .execute()
}

function keptSince(): string {
  return new Date(Date.now() - KEPT_MS).toISOString()
}
