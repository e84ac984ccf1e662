import { serviceCommand } from '../command.ts'
import { listSigningKeys, replaceKeys, type SigningKeysTable } from '../signing-keys.ts'

interface Replacement {
  before: SigningKeysTable[]
  after: SigningKeysTable[]
}

/** Replaces the keys, if they are still those from before; tells whether it did. So of several who would make the first ones, one does. */
export const replaceSigningKeys = serviceCommand<Replacement, boolean>(
  'replaceSigningKeys',
  async (trx, { before, after }) => {
    if (JSON.stringify(await listSigningKeys(trx)) !== JSON.stringify(before)) return false
    await replaceKeys(trx, after)
    return true
  }
)
