import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { isUnavailable } from '../../db/dialect.ts'
import type { JsonWebKeySet } from '../../schemas/keys.ts'
import { type StoredKey, toPublicKey } from './key-set.ts'
import type { KeyStore, Snapshot } from './store.ts'

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

/** The keys of a store as a running process uses them. */
export class KeyRing {
  readonly #store: KeyStore
  readonly #log: FastifyBaseLogger
  readonly #timer: NodeJS.Timeout
  #keys: LoadedKeys
  #seen: string
  #lookedAt = Date.now()
  #looking: Promise<void> | undefined
  #lastVainSearch = Number.NEGATIVE_INFINITY

  private constructor(store: KeyStore, log: FastifyBaseLogger, { mark, keys }: Snapshot) {
    this.#store = store
    this.#log = log
    this.#seen = mark
    this.#keys = load(keys())
    this.#timer = setInterval(() => this.#poll(), LOOK_EVERY_MS).unref()
  }

  /** Throws `KeysRefused`. */
  static async open(store: KeyStore, log: FastifyBaseLogger): Promise<KeyRing> {
    return new KeyRing(store, log, await store.look())
  }

  /** The key that signs now. Should the clock have been set back behind all of them, the first. */
  active(): SigningKey {
    return this.#active()
  }

  /** Since when the key signs that signs now, in ms since 1970. */
  activeSince(): number {
    return this.#active().activeFrom
  }

  /** How many keys are to sign, sign now, and only verify what they have signed. */
  count(): Record<'announced' | 'active' | 'retired', number> {
    const { kid, activeFrom } = this.#active()
    const others = [...this.#keys.values()].filter((key) => key.kid !== kid && key.expiresAt > Date.now())
    const announced = others.filter((key) => key.activeFrom > activeFrom).length
    return { announced, active: 1, retired: others.length - announced }
  }

  #active(): LoadedKey {
    const keys = [...this.#keys.values()]
    return keys.findLast(({ activeFrom }) => activeFrom <= Date.now()) ?? (keys[0] as LoadedKey)
  }

  /** The key of this id among those that are known, if tokens that it signed can still be good. */
  known(kid: string): SigningKey | undefined {
    const key = this.#keys.get(kid)
    return key !== undefined && key.expiresAt > Date.now() ? key : undefined
  }

  /**
   * The same, after another look at the store for an unknown id: another process may know a key a little earlier. Made-up ids make it
   * look no more often than the timer does.
   */
  find(kid: string): SigningKey | undefined | Promise<SigningKey | undefined> {
    if (this.#keys.has(kid) || performance.now() < this.#lastVainSearch + LOOK_EVERY_MS)
      return this.known(kid)
    // One that is under way may have begun before the key was there.
    const looking = this.#looking === undefined ? this.reload() : this.#looking.then(() => this.reload())
    return looking === undefined ? this.#found(kid) : looking.then(() => this.#found(kid))
  }

  /** The public halves of all keys that are not expired (RFC 7517). */
  published(): JsonWebKeySet {
    const keys = [...this.#keys.values()].filter(({ expiresAt }) => expiresAt > Date.now())
    return { keys: keys.map(({ jwk }) => jwk) }
  }

  /** Since when each key that is not expired signs. */
  ages(): { kid: string; active_from: string; age_seconds: number }[] {
    const keys = [...this.#keys.values()].filter(({ expiresAt }) => expiresAt > Date.now())
    return keys.map(({ kid, activeFrom }) => ({
      kid,
      active_from: new Date(activeFrom).toISOString(),
      age_seconds: Math.max(0, Math.floor((Date.now() - activeFrom) / 1000))
    }))
  }

  /** Takes over what the store has by now, and after the clock was set back as that sees it; of keys that cannot be used an error is logged, and the keys stay as they are. */
  reload(): void | Promise<void> {
    if (this.#looking !== undefined) return this.#looking
    const snapshot = this.#store.look()
    if (!(snapshot instanceof Promise)) return this.#take(snapshot)
    this.#looking = snapshot
      .then((snapshot) => this.#take(snapshot))
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  /** Ends the watch over the store. */
  close(): void {
    clearInterval(this.#timer)
  }

  async #poll(): Promise<void> {
    try {
      await this.reload()
    } catch (err) {
      const level = isUnavailable(err) ? 'debug' : 'error'
      this.#log[level]({ event: 'signing_keys_unseen', err }, 'the signing keys could not be looked at')
    }
  }

  #take({ mark, keys }: Snapshot): void {
    const isSetBack = Date.now() < this.#lookedAt - LOOK_EVERY_MS
    this.#lookedAt = Date.now()
    if (mark === this.#seen && !isSetBack) return
    this.#seen = mark
    try {
      this.#replace(load(keys()))
    } catch (error) {
      const reason = (error as Error).message
      this.#log.error({ event: 'signing_keys_refused', reason }, 'the signing keys stay as they were')
    }
  }

  #found(kid: string): SigningKey | undefined {
    if (!this.#keys.has(kid)) this.#lastVainSearch = performance.now()
    return this.known(kid)
  }

  #replace(keys: LoadedKeys): void {
    const before = this.#keys
    this.#keys = keys
    const added = [...keys.keys()].filter((kid) => !before.has(kid))
    const removed = [...before.keys()].filter((kid) => !keys.has(kid))
    const { kid } = this.active()
    this.#log.info({ event: 'signing_keys_changed', kid, added, removed }, 'the signing keys have changed')
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
