import { hash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Db } from '../../db/database.ts'
import { findKeptAnswer, keepAnswer } from '../../db/idempotency-keys.ts'
import { IdempotencyKeyInUse, IdempotencyKeyReused } from '../../schemas/errors.ts'
import type { FinalAnswer } from './index.ts'

const TAKEN_BY = new Set(['POST', 'PATCH'])

/** The `Idempotency-Key` of a request that has an effect each time; a structured string (RFC 9651) and its bare value are one key. */
export function idempotencyKeyOf({ method, headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key']
  if (typeof key !== 'string' || !TAKEN_BY.has(method)) return undefined
  return key.replace(/^"(.+)"$/, '$1')
}

/** What a repetition of the request has in common with it. */
function fingerprintOf({ method, url, body }: FastifyRequest): string {
  return hash('sha256', JSON.stringify([method, url, body]), 'base64url')
}

/**
 * The answer that was given to this request before, or else that of `work`, which is kept in the same transaction.
 * Throws `IdempotencyKeyReused` when the key came with another request.
 */
export async function onceOnly(
  trx: Db,
  request: FastifyRequest,
  key: string,
  work: () => Promise<FinalAnswer>
): Promise<FinalAnswer> {
  const fingerprint = fingerprintOf(request)
  const kept = await findKeptAnswer(trx, request.user.id, key)
  if (kept !== undefined) {
    if (kept.fingerprint !== fingerprint) throw new IdempotencyKeyReused()
    return { status: kept.status, headers: JSON.parse(kept.headers), body: kept.body }
  }
  const answer = await work()
  const headers = JSON.stringify(answer.headers)
  await keepAnswer(trx, { ...answer, user_id: request.user.id, key, fingerprint, headers })
  return answer
}

/** The keys of requests that are under way in this process; another process finds the answer in the database, when it is its turn. */
export class KeysInUse {
  readonly #keys = new Set<string>()

  /** Does the work while nobody else does any under this key. Throws `IdempotencyKeyInUse`. */
  async hold<T>(userId: string, key: string, work: () => Promise<T>): Promise<T> {
    const held = `${userId} ${key}`
    if (this.#keys.has(held)) throw new IdempotencyKeyInUse()
    this.#keys.add(held)
    try {
      return await work()
    } finally {
      this.#keys.delete(held)
    }
  }
}
