import type { FastifyInstance } from 'fastify'
import { rotate, type StoredKey } from '../plugins/signing-keys/key-set.ts'
import { type KeyStore, keyStoreOf } from '../plugins/signing-keys/store.ts'

/** Where the keys of this service are, as another process sees them. */
export function storeOf(server: FastifyInstance): Promise<KeyStore> {
  return keyStoreOf(server.config, () => ({
    db: server.db,
    run: (command, input) => server.run('service', command, input)
  }))
}

/** Rotates the keys as the command does, and gives the new one. */
export async function rotateKeys(server: FastifyInstance, announceSeconds = 0): Promise<StoredKey> {
  const store = await storeOf(server)
  const keys = await store.change((keys) => rotate(keys, new Date(), announceSeconds))
  return keys.at(-1) as StoredKey
}
