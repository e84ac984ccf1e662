import { replaceSigningKeys } from '../../db/commands/signing-keys.ts'
import { listSigningKeys, type SigningKeysTable } from '../../db/signing-keys.ts'
import { checkKeys, inOurTime, type StoredKey } from './key-set.ts'
import { KeysRefused, NEW_KEY_COMMAND } from './refused.ts'
import { isSealed, seal, unseal } from './sealing.ts'
import type { KeyDatabase, KeyStore, Snapshot } from './store.ts'

interface Options extends KeyDatabase {
  place: string
  /** The first encrypts, each decrypts. */
  secrets: readonly Buffer[]
}

/** The keys in the database, with their private halves encrypted if there is a secret. */
export class KeysInDatabase implements KeyStore {
  readonly place: string
  readonly #database: KeyDatabase
  readonly #secrets: readonly Buffer[]

  constructor({ place, secrets, ...database }: Options) {
    this.place = place
    this.#database = database
    this.#secrets = secrets
  }

  async look(): Promise<Snapshot> {
    const rows = await this.#rows()
    return { mark: JSON.stringify(rows), keys: () => this.#open(rows) }
  }

  create(keys: StoredKey[]): Promise<boolean> {
    return this.#replace(
      [],
      keys.map((key) => this.#toRow(key))
    )
  }

  async change(change: (keys: StoredKey[]) => StoredKey[]): Promise<StoredKey[]> {
    for (;;) {
      const before = await this.#rows()
      const keys = change(this.#open(before))
      const known = new Map(before.map(({ kid, private_key }) => [kid, private_key]))
      const after = keys.map((key) => this.#toRow(key, known.get(key.kid)))
      if (await this.#replace(before, after)) return keys
    }
  }

  async recode(form: 'encrypted' | 'plain'): Promise<number> {
    const [secret] = this.#secrets
    if (secret === undefined)
      throw new KeysRefused(
        'Without KEYS_SECRET or KEYS_SECRET_FILE there is nothing to do that with: `openssl rand -base64 32` makes a secret.'
      )
    const isAsWanted = ({ kid, private_key }: SigningKeysTable) =>
      form === 'plain' ? !isSealed(private_key) : isSealed(private_key) && unseal(kid, private_key, [secret])
    for (;;) {
      const before = await this.#rows()
      const keys = new Map(this.#open(before).map((key) => [key.kid, key]))
      const after = before.map((row) => {
        if (isAsWanted(row)) return row
        const { d } = keys.get(row.kid) as StoredKey
        return { ...row, private_key: form === 'plain' ? d : seal({ kid: row.kid, d }, secret) }
      })
      const count = after.filter((row, index) => row !== before[index]).length
      if (count === 0 || (await this.#replace(before, after))) return count
    }
  }

  async advice(): Promise<string | undefined> {
    const rows = await this.#rows()
    if (this.#secrets.length === 0)
      return (
        `the signing keys are in ${this.place} as they are, for all who can read it or a backup of it: ` +
        'set KEYS_SECRET, which `openssl rand -base64 32` makes, and run `npx library keys encrypt`'
      )
    const isFirst = ({ kid, private_key }: SigningKeysTable) =>
      isSealed(private_key) && unseal(kid, private_key, this.#secrets.slice(0, 1)) !== undefined
    if (rows.every(isFirst)) return undefined
    return `some signing keys in ${this.place} are not encrypted with the present KEYS_SECRET: run \`npx library keys encrypt\``
  }

  #rows(): Promise<SigningKeysTable[]> {
    return listSigningKeys(this.#database.db)
  }

  #replace(before: SigningKeysTable[], after: SigningKeysTable[]): Promise<boolean> {
    return this.#database.run(replaceSigningKeys, { before, after })
  }

  /** Throws `KeysRefused`. */
  #open(rows: SigningKeysTable[]): StoredKey[] {
    if (rows.length === 0)
      throw new KeysRefused(
        `There are no signing keys in ${this.place}: restore its table signing_keys from the backup, or run ${NEW_KEY_COMMAND}.`
      )
    const keys = rows.map((row) => this.#toKey(row))
    try {
      return inOurTime(checkKeys(keys), new Date())
    } catch {
      // What was thrown may quote a secret.
      throw this.#damaged('do not hold together')
    }
  }

  #toKey({ kid, public_key, private_key, retired_at, expires_at, ...times }: SigningKeysTable): StoredKey {
    return {
      kty: 'OKP',
      crv: 'Ed25519',
      kid,
      x: public_key,
      d: isSealed(private_key) ? this.#unseal(kid, private_key) : private_key,
      ...times,
      ...(retired_at !== null && { retired_at }),
      ...(expires_at !== null && { expires_at })
    }
  }

  #unseal(kid: string, text: string): string {
    const d = unseal(kid, text, this.#secrets)
    if (d !== undefined) return d
    if (this.#secrets.length === 0)
      throw new KeysRefused(
        `The signing keys in ${this.place} are encrypted: set KEYS_SECRET or KEYS_SECRET_FILE to the secret that they were encrypted with.`
      )
    throw this.#damaged(`were encrypted with another secret than KEYS_SECRET has, or were changed since`)
  }

  #damaged(what: string): KeysRefused {
    return new KeysRefused(
      `The signing keys in ${this.place} ${what}. Set the right secret, or restore the table signing_keys from the backup; ` +
        `if they are lost, empty that table and run ${NEW_KEY_COMMAND}.`
    )
  }

  /** What is encrypted already stays as it is. */
  #toRow({ kid, x, d, created_at, active_from, retired_at, expires_at }: StoredKey, known?: string) {
    const [secret] = this.#secrets
    const row: SigningKeysTable = {
      kid,
      public_key: x,
      private_key: known ?? (secret === undefined ? d : seal({ kid, d }, secret)),
      created_at,
      active_from,
      retired_at: retired_at ?? null,
      expires_at: expires_at ?? null
    }
    return row
  }
}
