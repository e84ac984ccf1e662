import { createHash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

export interface ApiKeys {
  /** A new random key. */
  create(): string
  /** Whether the token means to be a key, well-formed or not. */
  isKey(token: string): boolean
  /** The hash under which the key is kept; undefined when its checksum is wrong, and no database need be asked. */
  hash(key: string): string | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    apiKeys: ApiKeys
  }
}

const PREFIX = 'library_'
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** Some 178 bits. */
const RANDOM_LENGTH = 30
const KEY = /^library_([0-9A-Za-z]{30})([0-9A-Za-z]{6})$/

/** `fastify.apiKeys`: `library_`, 30 random letters and digits, and a checksum: secret scanners know it, and typing errors show. */
async function apiKeysPlugin(fastify: FastifyInstance) {
  fastify.decorate('apiKeys', {
    create() {
      const random = Array.from({ length: RANDOM_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join(
        ''
      )
      return PREFIX + random + checksum(random)
    },
    isKey: (token) => token.startsWith(PREFIX),
    hash(key) {
      const [, random, check] = KEY.exec(key) ?? []
      if (random === undefined || check !== checksum(random)) return undefined
      return createHash('sha256').update(key).digest('base64url')
    }
  })
}

/** CRC-32 in six digits of base 62. */
function checksum(random: string): string {
  let rest = crc32(random)
  let digits = ''
  for (let i = 0; i < 6; i++) {
    digits = ALPHABET[rest % ALPHABET.length] + digits
    rest = Math.floor(rest / ALPHABET.length)
  }
  return digits
}

export default fp(apiKeysPlugin, { name: 'api-keys' })
