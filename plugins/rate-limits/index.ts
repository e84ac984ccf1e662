import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { CallerCredential } from '../../db/command.ts'
import { unlockAccount } from '../../db/commands/rate-limits.ts'
import { listPointsOf } from '../../db/rate-limits.ts'
import { accountKey, addressKey, keysOf } from './keys.ts'
import { Limiter, type Store } from './limiter.ts'
import { type LoginLimits, loginLimits } from './login.ts'
import {
  LOGIN,
  LOGIN_ACCOUNT,
  LOGIN_KNOWN,
  nearest,
  PASSWORD_RESET,
  PASSWORD_RESET_ADDRESS,
  type Policy,
  type RateLimitState,
  REFRESH,
  REGISTRATION,
  rateLimitFields,
  refused
} from './policies.ts'

interface AddressLimit {
  /** Counts one for this address. Throws `TooManyRequests`. */
  consume(address: string): Promise<RateLimitState | undefined>
}

/** Limits against guessing. What they give is for `reply.rateLimit()`; with RATE_LIMIT=off it is undefined, and nothing is refused. */
export interface RateLimits {
  login: LoginLimits
  registration: AddressLimit
  refresh: AddressLimit
  passwordReset: {
    /** Counts one for this account and address. Throws `TooManyRequests`. */
    consume(username: string, address: string): Promise<RateLimitState | undefined>
  }
  /**
   * Forgets what holds up logins and resets of this account: failures from any address, alone or together. Those of an address at
   * whichever account stay. Gives how many counts there were. For an admin, or the operator as the service.
   */
  unlock(caller: CallerCredential | 'service', user: { id: string; username: string }): Promise<number>
  /** What is counted of this account now. Addresses are not told, of which only hashes are kept. */
  listOf(username: string): Promise<CountedLimit[]>
  /** How often this process has refused somebody since it was started, by the names of the limits. */
  refused(): Record<string, number>
}

export interface CountedLimit {
  limit: string
  count: number
  until: string
}

type Limits = Omit<RateLimits, 'unlock' | 'listOf' | 'refused'>

declare module 'fastify' {
  interface FastifyInstance {
    rateLimits: RateLimits
  }
  interface FastifyReply {
    /** Tells in the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-11) where the client stands; without a state, nothing. */
    rateLimit(state: RateLimitState | undefined): FastifyReply
  }
}

/** `fastify.rateLimits`, counted in the database, and `reply.rateLimit()`. Addresses are `request.clientAddress`. */
async function rateLimitsPlugin(fastify: FastifyInstance) {
  const isOn = fastify.config.RATE_LIMIT === 'on'
  if (!isOn) fastify.log.warn('RATE_LIMIT is off: passwords can be guessed without a limit')
  const limits = isOn ? limitsOver(fastify) : UNLIMITED
  fastify.decorate('rateLimits', {
    ...limits,
    unlock: (caller, user) => unlock(fastify, caller, user),
    listOf: (username) => listOf(fastify, username),
    refused: () => Object.fromEntries(refused)
  })
  fastify.decorateReply('rateLimit', function rateLimit(state) {
    return state === undefined ? this : this.headers(rateLimitFields(state))
  })
}

function limitsOver(store: Store): Limits {
  return {
    login: loginLimits(store),
    registration: addressLimit(store, REGISTRATION),
    refresh: addressLimit(store, REFRESH),
    passwordReset: passwordResetLimit(store)
  }
}

function addressLimit(store: Store, policy: Policy): AddressLimit {
  const addresses = new Limiter(store, policy)
  return { consume: (address) => addresses.take(addressKey(address)) }
}

function passwordResetLimit(store: Store): RateLimits['passwordReset'] {
  const pairs = new Limiter(store, PASSWORD_RESET)
  const addresses = new Limiter(store, PASSWORD_RESET_ADDRESS)
  return {
    async consume(username, address) {
      const keys = keysOf(username, address)
      const states = [await pairs.take(keys.pair), await addresses.take(keys.address)] as const
      return nearest(...states)
    }
  }
}

async function unlock(
  { run }: Store,
  caller: CallerCredential | 'service',
  user: { id: string; username: string }
): Promise<number> {
  const account = accountKey(user.username)
  const keys = [`${LOGIN_ACCOUNT.name}:${account}`, `${LOGIN_ACCOUNT.name}:turn:${account}`]
  const beginnings = [LOGIN, PASSWORD_RESET].map(({ name }) => `${name}:${account}`)
  let unlocked = { count: 0, isDone: false }
  while (!unlocked.isDone) {
    const input = { userId: user.id, keys, beginnings, before: unlocked.count }
    unlocked = await run(caller, unlockAccount, input)
  }
  return unlocked.count
}

async function listOf({ db }: Store, username: string): Promise<CountedLimit[]> {
  const account = accountKey(username)
  const found: CountedLimit[] = []
  for (const limit of OF_ACCOUNTS) {
    const counted = await listPointsOf(db, `${limit}:${account}`, Date.now())
    found.push(
      ...counted.map(({ points, expires_at }) => ({
        limit,
        count: points,
        until: new Date(expires_at).toISOString()
      }))
    )
  }
  return found
}

const OF_ACCOUNTS = [
  ...[LOGIN, LOGIN_KNOWN, LOGIN_ACCOUNT].map(({ name }) => name),
  `${LOGIN_ACCOUNT.name}:turn`,
  PASSWORD_RESET.name
]

const nothing = async () => undefined
const UNLIMITED: Limits = {
  login: { check: nothing, failed: nothing, succeeded: nothing },
  registration: { consume: nothing },
  refresh: { consume: nothing },
  passwordReset: { consume: nothing }
}

export default fp(rateLimitsPlugin, { name: 'rate-limits', dependencies: ['database'] })
