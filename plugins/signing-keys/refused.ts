/** Keys that must not or cannot be used; the message says why and what to do, and holds no secret. */
export class KeysRefused extends Error {
  override readonly name = 'KeysRefused'
}

export const NEW_KEY_COMMAND =
  '`npx library keys create` to make a new key, after which everyone must log in again'
