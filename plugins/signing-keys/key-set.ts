/** The set of signing keys and its rules, without files and clocks: who signs when, and how long a key is kept. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey
} from 'node:crypto'
import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Config } from '../../config.ts'
import type { PublicKey } from '../../schemas/keys.ts'

const StoredKey = Type.Object(
  {
    kty: Type.Literal('OKP'),
    crv: Type.Literal('Ed25519'),
    kid: Type.String(),
    x: Type.String(),
    d: Type.String(),
    created_at: Type.String(),
    /** Announced in the JWKS before this time, signing from it on. */
    active_from: Type.String(),
    /** When its successor begins to sign. */
    retired_at: Type.Optional(Type.String()),
    /** When the last token that it signed has expired. */
    expires_at: Type.Optional(Type.String())
  },
  { additionalProperties: false }
)
export type StoredKey = Static<typeof StoredKey>
const areStoredKeys = TypeCompiler.Compile(Type.Object({ keys: Type.Array(StoredKey, { minItems: 1 }) }))

export type KeyState = 'announced' | 'active' | 'retired' | 'expired'

const LONGEST_TOKEN_TTL = Config.properties.ACCESS_TOKEN_TTL.maximum as number
const LEEWAY = 60
/**
 * The greatest lifetime that can be configured, not the present one: that may have been longer when a token was signed,
 * and need not be the same in all processes. The leeway is for a process that learns of its new key a little late.
 */
const KEPT_AFTER_RETIREMENT_MS = (LONGEST_TOKEN_TTL + LEEWAY) * 1000
const EVER_SINCE = new Date(0).toISOString()

/** A new key pair that signs from `now` on, or from so many seconds later. */
export function newKey(now: Date, announceSeconds = 0): StoredKey {
  const { x, d } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as {
    x: string
    d: string
  }
  return {
    kty: 'OKP',
    crv: 'Ed25519',
    kid: thumbprint(x),
    x,
    d,
    created_at: now.toISOString(),
    active_from: after(now, announceSeconds * 1000)
  }
}

/** The set with a new key that signs after the announcement; keys before it retire then, and expired ones are gone. */
export function rotate(keys: StoredKey[], now: Date, announceSeconds: number): StoredKey[] {
  const kept = keys.filter((key) => stateOf(key, now) !== 'expired')
  return inOrder([...kept, newKey(now, announceSeconds)]).map((key, index, all) => {
    const successor = all[index + 1]
    const isSettled = key.retired_at !== undefined && isPast(key.retired_at, now)
    return successor === undefined || isSettled ? key : retire(key, successor.active_from)
  })
}

function retire(key: StoredKey, retired_at: string): StoredKey {
  return { ...key, retired_at, expires_at: after(new Date(retired_at), KEPT_AFTER_RETIREMENT_MS) }
}

/**
 * The same set in the time of a clock that was ahead when keys were made, and has been set right since: such a key was made now, and is
 * announced for as long as it was to be; who retires for it, does so then.
 */
export function inOurTime(keys: StoredKey[], now: Date): StoredKey[] {
  const ahead = keys.filter(({ created_at }) => Date.parse(created_at) > now.getTime() + LEEWAY * 1000)
  if (ahead.length === 0) return keys
  const activeFrom = new Map(ahead.map((key) => [key.active_from, after(now, announcementOf(key))]))
  return inOrder(keys.map((key) => shifted(key, now, ahead.includes(key), activeFrom)))
}

function shifted(key: StoredKey, now: Date, isAhead: boolean, activeFrom: Map<string, string>): StoredKey {
  const own = isAhead
    ? { ...key, created_at: now.toISOString(), active_from: activeFrom.get(key.active_from) as string }
    : key
  const retiredAt = activeFrom.get(key.retired_at ?? '')
  return retiredAt === undefined ? own : retire(own, retiredAt)
}

function announcementOf({ created_at, active_from }: StoredKey): number {
  return Date.parse(active_from) - Date.parse(created_at)
}

/** What the key is good for at this time: only one that is not expired verifies tokens. */
export function stateOf(key: StoredKey, now: Date): KeyState {
  if (key.expires_at !== undefined && isPast(key.expires_at, now)) return 'expired'
  if (key.retired_at !== undefined && isPast(key.retired_at, now)) return 'retired'
  return isPast(key.active_from, now) ? 'active' : 'announced'
}

/** The set that a file's text holds, oldest key first; throws when it is not a set of whole Ed25519 key pairs. */
export function parseKeys(text: string): StoredKey[] {
  return checkKeys(JSON.parse(text).keys)
}

/** The same of keys that were read already. */
export function checkKeys(keys: object[]): StoredKey[] {
  const set = {
    keys: keys.map((key) => ({ created_at: EVER_SINCE, active_from: EVER_SINCE, ...key }))
  }
  if (!areStoredKeys.Check(set)) throw new Error('not a key set')
  for (const key of set.keys) refuseBadKey(key)
  if (new Set(set.keys.map(({ kid }) => kid)).size !== set.keys.length) throw new Error('a key occurs twice')
  if (set.keys.every(({ retired_at }) => retired_at !== undefined)) throw new Error('no key is left to sign')
  return inOrder(set.keys)
}

function refuseBadKey(key: StoredKey): void {
  const { x } = createPublicKey(createPrivateKey({ key, format: 'jwk' })).export({ format: 'jwk' })
  if (key.x !== x || key.kid !== thumbprint(x)) throw new Error('the parts of a key do not belong together')
  if ((key.retired_at === undefined) !== (key.expires_at === undefined)) throw new Error('half a retirement')
  for (const time of [key.created_at, key.active_from, key.retired_at, key.expires_at]) {
    if (time !== undefined && new Date(time).toISOString() !== time) throw new Error('not a time')
  }
}

/** What everybody may know of a key, as a JWKS shows it (RFC 7517, RFC 8037). */
export function toPublicKey({ kty, crv, kid, x }: StoredKey): PublicKey {
  return { kty, crv, kid, use: 'sig', alg: 'EdDSA', x }
}

/** RFC 7638: the hash of the required members in lexical order. */
function thumbprint(x: JsonWebKey['x']): string {
  return createHash('sha256')
    .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url')
}

function inOrder(keys: StoredKey[]): StoredKey[] {
  return keys.toSorted((a, b) => Date.parse(a.active_from) - Date.parse(b.active_from))
}

function isPast(time: string, now: Date): boolean {
  return Date.parse(time) <= now.getTime()
}

function after(time: Date, milliseconds: number): string {
  return new Date(time.getTime() + milliseconds).toISOString()
}
