import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  randomUUID
} from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { databaseFile } from '../db/dialect.ts'

/** An Ed25519 key pair in PEM, and the id that tokens name it by. */
export interface SigningKey {
  kid: string
  private: string
  public: string
}

declare module 'fastify' {
  interface FastifyInstance {
    signingKey: SigningKey
  }
}

/** `fastify.signingKey`: the key in the file beside the database, which the first start makes; there is no default key. */
async function signingKeyPlugin(fastify: FastifyInstance) {
  const path = `${databaseFile(fastify.config.DATABASE_URL)}.keys.json`
  fastify.decorate('signingKey', readKey(path) ?? createKey(path))
}

function readKey(path: string): SigningKey | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return toSigningKey(JSON.parse(text).keys[0])
  } catch {
    throw new Error(
      `${path} does not hold a signing key. Restore it, or delete it: then a new one is made and everyone must log in again.`
    )
  }
}

/** Written whole under another name and then linked: of two processes that start at once, both use the first one's key. */
function createKey(path: string): SigningKey {
  const draft = `${path}.${randomUUID()}`
  const file = openSync(draft, 'wx', 0o600)
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  writeFileSync(file, `${JSON.stringify({ keys: [{ ...jwk, kid: thumbprint(jwk) }] }, null, 2)}\n`)
  fsyncSync(file)
  closeSync(file)
  try {
    linkSync(draft, path)
    /* c8 ignore start -- reached only when another process makes its key between two lines of this one */
  } catch (error) {
    if (!existsSync(path)) throw error
  }
  /* c8 ignore stop */
  rmSync(draft)
  return readKey(path) as SigningKey
}

function toSigningKey(jwk: JsonWebKey & { kid: string }): SigningKey {
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  if (privateKey.asymmetricKeyType !== 'ed25519' || jwk.kid !== thumbprint(jwk))
    throw new Error('not an Ed25519 key')
  return {
    kid: jwk.kid,
    private: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    public: createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString()
  }
}

/** RFC 7638: the hash of the required members in lexical order. */
function thumbprint({ crv, kty, x }: JsonWebKey): string {
  return createHash('sha256').update(JSON.stringify({ crv, kty, x })).digest('base64url')
}

export default fp(signingKeyPlugin, { name: 'signing-key', dependencies: ['database'] })
