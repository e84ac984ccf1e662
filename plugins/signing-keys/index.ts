import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { listUsers } from '../../db/finding-users.ts'
import { KeyRing } from './key-ring.ts'
import { newKey } from './key-set.ts'
import { KeysRefused } from './refused.ts'
import { type KeyStore, keyStoreOf } from './store.ts'

export { KeysRefused }

declare module 'fastify' {
  interface FastifyInstance {
    signingKeys: KeyRing
  }
}

/**
 * `fastify.signingKeys`: the keys in the file beside the database or in the database itself, of which the first start makes one; there is
 * no default key. What another process has changed is taken over within a second. Throws `KeysRefused`.
 */
async function signingKeysPlugin(fastify: FastifyInstance) {
  const { config, db, run } = fastify
  const store = await keyStoreOf(config, () => ({
    db,
    run: (command, input) => run('service', command, input)
  }))
  await createFirstKey(store, db)
  const keyRing = await KeyRing.open(store, fastify.log)
  fastify.decorate('signingKeys', keyRing)
  fastify.addHook('onClose', async () => keyRing.close())
  fastify.metrics.gauge(
    {
      name: 'library_signing_keys',
      help: 'The keys for access tokens: announced, active, or only verifying what they have signed.',
      label: 'state',
      isOfService: true
    },
    () => keyRing.count()
  )
  fastify.metrics.gauge(
    {
      name: 'library_signing_key_active_since_timestamp_seconds',
      help: 'Since when the active key signs; 0 where that was never written down.',
      isOfService: true
    },
    () => keyRing.activeSince() / 1000
  )
  const advice = await store.advice()
  if (advice !== undefined) fastify.log.warn({ event: 'signing_keys_exposed' }, advice)
}

/** Where there are users, a missing key was lost: to replace it unasked would end every token in silence. */
async function createFirstKey(store: KeyStore, db: FastifyInstance['db']): Promise<void> {
  const users = await listUsers(db, { limit: 1, before: undefined })
  if (users.length === 0) await store.create([newKey(new Date())])
}

export default fp(signingKeysPlugin, { name: 'signing-keys', dependencies: ['database', 'metrics'] })
