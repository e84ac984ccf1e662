import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { ReadDb } from '../../db/tables.ts'
import { listUsers } from '../../db/users.ts'
import { createKeyFile, KeysRefused, keyFileOf } from './key-file.ts'
import { KeyRing } from './key-ring.ts'
import { newKey } from './key-set.ts'

export { KeysRefused }

declare module 'fastify' {
  interface FastifyInstance {
    signingKeys: KeyRing
  }
}

/**
 * `fastify.signingKeys`: the keys in the file beside the database, which the first start makes; there is no default key.
 * A file that another process has changed is taken over within a second. Throws `KeysRefused`.
 */
async function signingKeysPlugin(fastify: FastifyInstance) {
  const path = keyFileOf(fastify.config.DATABASE_URL)
  await createFirstKey(path, fastify.db)
  const keyRing = new KeyRing(path, fastify.log)
  fastify.decorate('signingKeys', keyRing)
  fastify.addHook('onClose', async () => keyRing.close())
}

/** Where there are users, a missing key was lost: to replace it unasked would end every token in silence. */
async function createFirstKey(path: string, db: ReadDb): Promise<void> {
  const users = await listUsers(db, { limit: 1, before: undefined })
  if (users.length === 0) createKeyFile(path, [newKey(new Date())])
}

export default fp(signingKeysPlugin, { name: 'signing-keys', dependencies: ['database'] })
