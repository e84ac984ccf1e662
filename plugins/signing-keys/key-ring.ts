import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { JsonWebKeySet } from '../../schemas/keys.ts'
import { fingerprint, readKeys } from './key-file.ts'
import { type StoredKey, toPublicKey } from './key-set.ts'

/** An Ed25519 key pair in PEM, and the id that tokens name it by. */
export interface SigningKey {
  kid: string
  private: string
  public: string
}

interface LoadedKey extends SigningKey {
  activeFrom: number
  expiresAt: number
  jwk: JsonWebKeySet['keys'][number]
}
type LoadedKeys = ReadonlyMap<string, LoadedKey>

const LOOK_EVERY_MS = 1000

/** The keys of the file at `path` as a running process uses them. Making one throws `KeysRefused`. */
export class KeyRing {
  readonly #path: string
  readonly #log: FastifyBaseLogger
  readonly #timer: NodeJS.Timeout
  #keys: LoadedKeys
  #seen: string
  #lookedAt = Date.now()
  #lastVainSearch = Number.NEGATIVE_INFINITY

  constructor(path: string, log: FastifyBaseLogger) {
    this.#path = path
    this.#log = log
    this.#seen = fingerprint(path)
    this.#keys = load(readKeys(path))
    this.#timer = setInterval(() => this.reload(), LOOK_EVERY_MS).unref()
  }

  /** The key that signs now. Should the clock have been set back behind all of them, the first. */
  active(): SigningKey {
    const keys = [...this.#keys.values()]
    return keys.findLast(({ activeFrom }) => activeFrom <= Date.now()) ?? (keys[0] as LoadedKey)
  }

  /** The key of this id, if tokens that it signed can still be good; for an unknown id the file is looked at again. */
  find(kid: string): SigningKey | undefined {
    const key = this.#keys.get(kid) ?? this.#search(kid)
    return key !== undefined && key.expiresAt > Date.now() ? key : undefined
  }

  /** The public halves of all keys that are not expired (RFC 7517). */
  published(): JsonWebKeySet {
    const keys = [...this.#keys.values()].filter(({ expiresAt }) => expiresAt > Date.now())
    return { keys: keys.map(({ jwk }) => jwk) }
  }

  /** Takes over what the file holds by now, and after the clock was set back as that sees it; of one that cannot be used an error is logged, and the keys stay as they are. */
  reload(): void {
    const current = fingerprint(this.#path)
    const isSetBack = Date.now() < this.#lookedAt - LOOK_EVERY_MS
    this.#lookedAt = Date.now()
    if (current === this.#seen && !isSetBack) return
    this.#seen = current
    try {
      this.#replace(load(readKeys(this.#path)))
    } catch (error) {
      const reason = (error as Error).message
      this.#log.error({ event: 'signing_keys_refused', reason }, 'the signing keys stay as they were')
    }
  }

  /** Ends the watch over the file. */
  close(): void {
    clearInterval(this.#timer)
  }

  #replace(keys: LoadedKeys): void {
    const before = this.#keys
    this.#keys = keys
    const added = [...keys.keys()].filter((kid) => !before.has(kid))
    const removed = [...before.keys()].filter((kid) => !keys.has(kid))
    const { kid } = this.active()
    this.#log.info({ event: 'signing_keys_changed', kid, added, removed }, 'the signing keys have changed')
  }

  /** Another process may know a key a little earlier; made-up ids make it look no more often than the timer does. */
  #search(kid: string): LoadedKey | undefined {
    if (performance.now() < this.#lastVainSearch + LOOK_EVERY_MS) return undefined
    this.reload()
    const key = this.#keys.get(kid)
    if (key === undefined) this.#lastVainSearch = performance.now()
    return key
  }
}

function load(stored: StoredKey[]): LoadedKeys {
  return new Map(stored.map((key) => [key.kid, loadKey(key)]))
}

function loadKey(key: StoredKey): LoadedKey {
  const privateKey = createPrivateKey({ key, format: 'jwk' })
  return {
    kid: key.kid,
    private: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    public: createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString(),
    activeFrom: Date.parse(key.active_from),
    expiresAt: key.expires_at === undefined ? Number.POSITIVE_INFINITY : Date.parse(key.expires_at),
    jwk: toPublicKey(key)
  }
}
