import { hash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { AnswerForm } from '../../db/command.ts'
import { IdempotencyKeyInUse } from '../../schemas/errors.ts'

const TAKEN_BY = new Set(['POST', 'PATCH'])

/** The `Idempotency-Key` of a request that has an effect each time; a structured string (RFC 9651) and its bare value are one key. */
function idempotencyKeyOf({ method, headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key']
  if (typeof key !== 'string' || !TAKEN_BY.has(method)) return undefined
  return key.replace(/^"(.+)"$/, '$1')
}

/** What a repetition of the request has in common with it. */
function fingerprintOf({ method, url, body }: FastifyRequest): string {
  return hash('sha256', JSON.stringify([method, url, body]), 'base64url')
}

/** Under which the answer to this request is kept, if it is to be the same for all its repetitions. */
export function onceOf(request: FastifyRequest): AnswerForm['once'] {
  const key = idempotencyKeyOf(request)
  return key === undefined ? undefined : { key, fingerprint: fingerprintOf(request) }
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
