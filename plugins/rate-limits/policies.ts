import { TooManyRequests, withExtras } from '../../schemas/errors.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** So many of something in so many seconds, from the first one on. */
export interface Policy {
  /** Its name in the headers, and the prefix of its keys. */
  name: string
  quota: number
  /** Seconds. */
  window: number
  /** What there were too many of, in words. */
  what: string
}

/** Where somebody stands with a policy. */
export interface RateLimitState {
  policy: Policy
  used: number
  remaining: number
  /** Seconds until all of the quota is there again. */
  reset: number
}

/** A person errs a few times; 10 in 15 minutes are 960 guesses a day against one account. */
export const LOGIN: Policy = {
  name: 'login',
  quota: 10,
  window: 15 * MINUTE,
  what: 'failed logins to this account from your address'
}
/** One address that tries one password at account after account; many people may share it, but not so many errors. */
export const LOGIN_ADDRESS: Policy = {
  name: 'login-address',
  quota: 100,
  window: HOUR,
  what: 'failed logins from your address'
}
/** Many addresses that try one account: past this quota it is slowed, never shut, for its owner may be among them. */
export const LOGIN_ACCOUNT: Policy = {
  name: 'login-account',
  quota: 50,
  window: HOUR,
  what: 'failed logins to this account from many addresses'
}
/** Where an account was logged in to before, others' failures do not slow it. */
export const LOGIN_KNOWN: Policy = { name: 'login-known', quota: 1, window: 90 * DAY, what: '' }
/** A class of pupils behind one address can register in one lesson. */
export const REGISTRATION: Policy = {
  name: 'registration',
  quota: 60,
  window: HOUR,
  what: 'registrations from your address'
}
export const REFRESH: Policy = {
  name: 'refresh',
  quota: 300,
  window: 15 * MINUTE,
  what: 'refreshed tokens from your address'
}
export const PASSWORD_RESET: Policy = {
  name: 'password-reset',
  quota: 5,
  window: HOUR,
  what: 'password resets of this account from your address'
}
export const PASSWORD_RESET_ADDRESS: Policy = {
  name: 'password-reset-address',
  quota: 20,
  window: HOUR,
  what: 'password resets from your address'
}

const LONGEST_TURN = MINUTE

/** Seconds between two tries at an account with so many failures: 2, and twice as many after each ten more, up to a minute. */
export function secondsBetweenTries(failures: number): number {
  return Math.min(LONGEST_TURN, 2 ** (1 + Math.floor((failures - LOGIN_ACCOUNT.quota) / 10)))
}

/** Of several limits the one that is reached first. */
export function nearest(...states: RateLimitState[]): RateLimitState {
  return states.reduce((near, state) => (state.remaining < near.remaining ? state : near))
}

/** The RateLimit fields of draft-ietf-httpapi-ratelimit-headers-11, as structured fields (RFC 9651). */
export function rateLimitFields({ policy, remaining, reset }: RateLimitState) {
  return {
    'ratelimit-policy': `"${policy.name}";q=${policy.quota};w=${policy.window}`,
    ratelimit: `"${policy.name}";r=${remaining};t=${reset}`
  }
}

/** How often this process has refused somebody, by the names of the policies. */
export const refused = new Map<string, number>()

/** Throws `TooManyRequests`, which tells when the next try is taken. */
export function refuse(state: RateLimitState): never {
  refused.set(state.policy.name, (refused.get(state.policy.name) ?? 0) + 1)
  const headers = { 'retry-after': String(state.reset), ...rateLimitFields(state) }
  throw withExtras(new TooManyRequests(state.policy.what, String(state.reset)), { headers })
}
