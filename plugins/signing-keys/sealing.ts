/** Private keys as a database keeps them: AES-256-GCM, so that one that was changed, or belongs to another key, does not open. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const CIPHER = 'aes-256-gcm'
const PREFIX = `${CIPHER}:`
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** A private key, and the id of the key that it is bound to. */
interface PrivateKey {
  kid: string
  d: string
}

export function isSealed(text: string): boolean {
  return text.startsWith(PREFIX)
}

export function seal({ kid, d }: PrivateKey, secret: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, secret, nonce).setAAD(Buffer.from(kid))
  const sealed = [nonce, cipher.update(d, 'base64url'), cipher.final(), cipher.getAuthTag()]
  return PREFIX + Buffer.concat(sealed).toString('base64url')
}

/** The private key of this id, opened by the one of these secrets that fits; undefined where none does. */
export function unseal(kid: string, text: string, secrets: readonly Buffer[]): string | undefined {
  const sealed = Buffer.from(text.slice(PREFIX.length), 'base64url')
  for (const secret of secrets) {
    const d = tryToOpen(kid, sealed, secret)
    if (d !== undefined) return d
  }
  return undefined
}

function tryToOpen(kid: string, sealed: Buffer, secret: Buffer): string | undefined {
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv(CIPHER, secret, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(kid))
      .setAuthTag(sealed.subarray(-TAG_BYTES))
    const opened = [decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]
    return Buffer.concat(opened).toString('base64url')
  } catch {
    return undefined
  }
}
