import type { FastifyInstance } from 'fastify'
import RateLimiterRes from 'rate-limiter-flexible/lib/RateLimiterRes.js'
import RateLimiterStoreAbstract from 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js'
import { countPoints, forgetPoints } from '../../db/commands/rate-limits.ts'
import { findPoints, type StoredPoints } from '../../db/rate-limits.ts'
import { type Policy, type RateLimitState, refuse } from './policies.ts'

/** Where the counts are kept. */
export type Store = Pick<FastifyInstance, 'db' | 'run'>

/** One policy of rate-limiter-flexible over our own database, where a restart or a second process finds the same counts. */
export class Limiter extends RateLimiterStoreAbstract {
  readonly #store: Store
  readonly #policy: Policy

  constructor(store: Store, policy: Policy) {
    super({ storeClient: store, keyPrefix: policy.name, points: policy.quota, duration: policy.window })
    this.#store = store
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
    const added = { key, points, now, expiresAt: now + milliseconds, afresh }
    return this.#store.run('service', countPoints, added)
  }

  /** The library's hook: null when there is nothing. */
  async _get(key: string): Promise<StoredPoints | null> {
    const now = Date.now()
    return (await findPoints(this.#store.db, key, now, now + this.#policy.window * 1000)) ?? null
  }

  /** The library's hook: whether there was anything. */
  async _delete(key: string): Promise<boolean> {
    return this.#store.run('service', forgetPoints, { key })
  }

  /** The library's hook: what is stored in its own words. */
  _getRateLimiterRes(_key: string, changed: number, { points, expires_at }: StoredPoints): RateLimiterRes {
    const left = Math.min(Math.max(0, expires_at - Date.now()), this.#policy.window * 1000)
    return new RateLimiterRes(Math.max(0, this.points - points), left, points, points === changed)
  }
}
