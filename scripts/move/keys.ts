/** The signing keys, which a file beside a database has, or the database itself. */
import { existsSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import type { Command } from '../../db/command.ts'
import { keyFileOf } from '../../db/dialect.ts'
import { listUsers } from '../../db/finding-users.ts'
import type { Companion } from '../../db/moving/options.ts'
import type { MoveSource, MoveTarget } from '../../db/moving/side.ts'
import { deleteKeys } from '../../db/signing-keys.ts'
import type { Db } from '../../db/tables.ts'
import type { StoredKey } from '../../plugins/signing-keys/key-set.ts'
import { KeysRefused } from '../../plugins/signing-keys/refused.ts'
import type { SecretSettings } from '../../plugins/signing-keys/secrets.ts'
import { type KeyStore, keyStoreOf } from '../../plugins/signing-keys/store.ts'

interface Sides {
  source: MoveSource
  target: MoveTarget
  from: string
  to: string
}

/**
 * Moves the keys, so that tokens stay good. Those that a server has already go, because nobody has an account there; a file may be what
 * somebody has kept. Throws `KeysRefused`.
 */
export async function keyCompanion(
  secrets: SecretSettings,
  { source, target, from, to }: Sides
): Promise<Companion> {
  const ours = await keyStoreOf({ ...secrets, DATABASE_URL: from }, () => databaseOf(source.db))
  const theirs = await keyStoreOf({ ...secrets, DATABASE_URL: to }, () => databaseOf(target.db))
  const file = keyFileOf(to)

  async function refuseOtherFile(keys: StoredKey[]): Promise<void> {
    if (file === undefined || !existsSync(file) || haveSame(keys, await keysIn(theirs))) return
    throw new KeysRefused(
      `${file} has other signing keys than ${ours.place}, as an earlier service has left them, or cannot be read: ` +
        'move that file away, then try again.'
    )
  }

  return {
    async check() {
      const keys = await keysOf(ours, source.db)
      if (keys !== undefined) await refuseOtherFile(keys)
    },
    async move() {
      const keys = await keysOf(ours, source.db)
      if (keys === undefined) return
      if (file === undefined) await deleteKeys(target.db)
      if (!(await theirs.create(keys))) await refuseOtherFile(keys)
    },
    async confirm() {
      const keys = await keysIn(ours)
      if (keys !== undefined) await theirs.create(keys)
    }
  }
}

function databaseOf(db: Db) {
  return {
    db: db as FastifyInstance['db'],
    run: <Input extends object, Output>({ run }: Command<Input, Output>, input: Input) =>
      db.transaction().execute((trx) => run(trx, input as never))
  }
}

/** Where nobody has an account yet, no key is missed. */
async function keysOf(store: KeyStore, db: Db): Promise<StoredKey[] | undefined> {
  const users = await listUsers(db, { limit: 1, before: undefined })
  return users.length === 0 ? keysIn(store) : (await store.look()).keys()
}

/** Those that can be read. */
async function keysIn(store: KeyStore): Promise<StoredKey[] | undefined> {
  try {
    return (await store.look()).keys()
  } catch (error) {
    if (error instanceof KeysRefused) return undefined
    throw error
  }
}

function haveSame(one: StoredKey[], other: StoredKey[] = []): boolean {
  const secretsOf = (keys: StoredKey[]) => keys.map(({ kid, d }) => `${kid} ${d}`).sort()
  return secretsOf(one).join() === secretsOf(other).join()
}
