import { type Keys, keysOf } from './keys.ts'
import { Limiter, type Store } from './limiter.ts'
import {
  LOGIN,
  LOGIN_ACCOUNT,
  LOGIN_ADDRESS,
  LOGIN_KNOWN,
  nearest,
  type RateLimitState,
  secondsBetweenTries
} from './policies.ts'

/** A login is checked before its password is hashed, and then told as failed or as succeeded. */
export interface LoginLimits {
  /** Throws `TooManyRequests` when this account must not be tried from this address now. */
  check(username: string, address: string): Promise<void>
  /** Counts a failure. Throws `TooManyRequests` when others at the same moment have used the limit up. */
  failed(username: string, address: string): Promise<RateLimitState | undefined>
  /** Forgets the pair's failures and remembers the pair. Throws `TooManyRequests` as `failed` does. */
  succeeded(username: string, address: string): Promise<RateLimitState | undefined>
}

/** A known pair is remembered again at most once a day, so that most logins write nothing. */
const REMEMBERED_FOR_LONG = LOGIN_KNOWN.window - 24 * 60 * 60

/**
 * Failures are counted by account and address, by address, and by account. The last only slows, and never an address
 * that knows the account, so that nobody can lock an owner out. As only failures count, and are counted once the
 * password was hashed, tries at the same moment can be more than the limit; so it is looked at again before they learn
 * what came of them.
 */
export function loginLimits(store: Store): LoginLimits {
  const pairs = new Limiter(store, LOGIN)
  const addresses = new Limiter(store, LOGIN_ADDRESS)
  const accounts = new Limiter(store, LOGIN_ACCOUNT)
  const known = new Limiter(store, LOGIN_KNOWN)

  async function isKnown(pair: string): Promise<boolean> {
    return (await known.look(pair)).used > 0
  }

  async function refuseSpent({ pair, address }: Keys) {
    return Promise.all([pairs.refuseSpent(pair), addresses.refuseSpent(address)])
  }

  /** Takes the account's next turn, of which there is one in so many seconds. */
  async function takeTurn(account: string): Promise<void> {
    const { used } = await accounts.look(account)
    if (used < LOGIN_ACCOUNT.quota) return
    const turn = { ...LOGIN_ACCOUNT, quota: 1, window: secondsBetweenTries(used) }
    await new Limiter(store, turn).take(`turn:${account}`)
  }

  async function slow({ pair, account }: Keys): Promise<void> {
    if (!(await isKnown(pair))) await accounts.penalty(account)
  }

  async function remember(pair: string): Promise<void> {
    const { used, reset } = await known.look(pair)
    if (used === 0 || reset < REMEMBERED_FOR_LONG) await known.set(pair, 1, LOGIN_KNOWN.window)
  }

  return {
    async check(username, address) {
      const keys = keysOf(username, address)
      await refuseSpent(keys)
      if (!(await isKnown(keys.pair))) await takeTurn(keys.account)
    },

    async failed(username, address) {
      const keys = keysOf(username, address)
      const counts = [pairs.count(keys.pair), addresses.count(keys.address)]
      const [states] = await Promise.all([Promise.all(counts), slow(keys)])
      return nearest(...states)
    },

    async succeeded(username, address) {
      const keys = keysOf(username, address)
      const [pair, byAddress] = await refuseSpent(keys)
      await Promise.all([pair.used > 0 && pairs.delete(keys.pair), remember(keys.pair)])
      return nearest({ ...pair, used: 0, remaining: LOGIN.quota, reset: LOGIN.window }, byAddress)
    }
  }
}
