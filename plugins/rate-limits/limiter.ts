import RateLimiterRes from 'rate-limiter-flexible/lib/RateLimiterRes.js'
import RateLimiterStoreAbstract from 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js'
import type { Db } from '../../db/database.ts'
import { addPoints, deleteExpiredPoints, deletePoints, findPoints } from '../../db/rate-limits.ts'
import { type Policy, type RateLimitState, refuse } from './policies.ts'

/** More than the one row that a new window may add, so that rows of the past never pile up. */
const PURGED_AT_ONCE = 20

interface StoredPoints {
  points: number
  expires_at: number
}

/** One policy of rate-limiter-flexible over our own database, where a restart or a second process finds the same counts. */
export class Limiter extends RateLimiterStoreAbstract {
  readonly #db: Db
  readonly #policy: Policy

  constructor(db: Db, policy: Policy) {
    super({ storeClient: db, keyPrefix: policy.name, points: policy.quota, duration: policy.window })
    this.#db = db
    this.#policy = policy
  }

  /** Where the key stands. */
  async look(key: string): Promise<RateLimitState> {
    return this.#state(await this.get(key))
  }

  /** Throws `TooManyRequests` when nothing is left; else tells where the key stands. */
  async refuseSpent(key: string): Promise<RateLimitState> {
    const state = await this.look(key)
    return state.remaining === 0 ? refuse(state) : state
  }

  /** Counts one, and throws `TooManyRequests` when that is one too many; else tells where the key stands. */
  async count(key: string): Promise<RateLimitState> {
    const state = this.#state(await this.penalty(key))
    return state.used > this.#policy.quota ? refuse(state) : state
  }

  /** Counts one as `count` does, but without writing anything when nothing is left. */
  async take(key: string): Promise<RateLimitState> {
    await this.refuseSpent(key)
    return this.count(key)
  }

  #state(result: RateLimiterRes | null): RateLimitState {
    const { consumedPoints: used = 0, msBeforeNext = this.#policy.window * 1000 } = result ?? {}
    const remaining = Math.max(0, this.#policy.quota - used)
    return { policy: this.#policy, used, remaining, reset: Math.max(1, Math.ceil(msBeforeNext / 1000)) }
  }

  /** The library's hook: one atomic write. */
  async _upsert(key: string, points: number, milliseconds: number, afresh: boolean): Promise<StoredPoints> {
    const now = Date.now()
    const expiresAt = now + milliseconds
    const stored = await addPoints(this.#db, { key, points, now, expiresAt, afresh })
    if (stored.expires_at === expiresAt) await deleteExpiredPoints(this.#db, now, PURGED_AT_ONCE)
    return stored
  }

  /** The library's hook: null when there is nothing. */
  async _get(key: string): Promise<StoredPoints | null> {
    return (await findPoints(this.#db, key, Date.now())) ?? null
  }

  /** The library's hook: whether there was anything. */
  async _delete(key: string): Promise<boolean> {
    return deletePoints(this.#db, key)
  }

  /** The library's hook: what is stored in its own words. */
  _getRateLimiterRes(_key: string, changed: number, { points, expires_at }: StoredPoints): RateLimiterRes {
    const left = Math.max(0, expires_at - Date.now())
    return new RateLimiterRes(Math.max(0, this.points - points), left, points, points === changed)
  }
}
