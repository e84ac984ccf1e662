/** Where the signing keys are kept: in a file beside the database, or in a database that several instances share. */
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config.ts'
import type { Command } from '../../db/command.ts'
import { describeDatabase, keyFileOf } from '../../db/dialect.ts'
import { changeKeys, createKeyFile, fingerprint, readKeys } from './key-file.ts'
import type { StoredKey } from './key-set.ts'
import { KeysInDatabase } from './keys-in-database.ts'
import { KeysRefused } from './refused.ts'
import { type SecretSettings, secretsOf } from './secrets.ts'

/** What a store has at one moment. */
export interface Snapshot {
  /** Another one when the keys may be others. */
  mark: string
  /** The keys, those that sign first before the others. Throws `KeysRefused`, also where there are none. */
  keys(): StoredKey[]
}

/** What gives a promise does so only where a server is asked. */
export interface KeyStore {
  look(): Snapshot | Promise<Snapshot>
  /** Stores the first keys, unless there are some; tells whether it did: of several at once, one makes the keys of all. */
  create(keys: StoredKey[]): boolean | Promise<boolean>
  /** Replaces the keys by what `change` makes of them, one after the other if several do. Throws `KeysRefused`. */
  change(change: (keys: StoredKey[]) => StoredKey[]): StoredKey[] | Promise<StoredKey[]>
  /** Encrypts all private keys with the first secret, or decrypts them; tells how many were otherwise. Throws `KeysRefused`. */
  recode(form: 'encrypted' | 'plain'): Promise<number>
  /** What the operator should change, if anything. */
  advice(): Promise<string | undefined>
  /** Where the keys are, for people. */
  readonly place: string
}

/** The database that may have the keys, opened when it is asked for. */
export interface KeyDatabase {
  db: FastifyInstance['db']
  run<Input extends object, Output>(command: Command<Input, Output>, input: Input): Promise<Output>
}

type Settings = SecretSettings & Pick<Config, 'DATABASE_URL'>

/** The store that these settings name. Throws `KeysRefused` when the secret cannot be used. */
export async function keyStoreOf(
  settings: Settings,
  open: () => KeyDatabase | Promise<KeyDatabase>
): Promise<KeyStore> {
  const secrets = secretsOf(settings)
  const file = keyFileOf(settings.DATABASE_URL)
  if (file !== undefined) return fileStore(file, secrets)
  return new KeysInDatabase({ ...(await open()), secrets, place: describeDatabase(settings.DATABASE_URL) })
}

function fileStore(path: string, secrets: readonly Buffer[]): KeyStore {
  return {
    place: path,
    look: () => ({ mark: fingerprint(path), keys: () => readKeys(path) }),
    create: (keys) => createKeyFile(path, keys),
    change: (change) => changeKeys(path, change),
    async recode() {
      throw new KeysRefused(
        `${path} has the keys, for its owner alone: only in a database on a server they can be encrypted.`
      )
    },
    advice: async () =>
      secrets.length === 0
        ? undefined
        : `KEYS_SECRET does nothing here: ${path} has the signing keys as they are, for its owner alone`
  }
}
