import { randomBytes } from 'node:crypto'
import { dictionary } from '@zxcvbn-ts/language-common'
import argon2 from 'argon2'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import pLimit from 'p-limit'
import { PasswordRefused, TooBusy, withExtras } from '../schemas/errors.ts'

export interface Passwords {
  /** Throws `PasswordRefused` for one of the most common passwords and for the username itself. */
  refuseGuessable(password: string, username: string): void
  /** The PHC string to store. Throws `TooBusy`. */
  hash(password: string): Promise<string>
  /** Whether the hash is the password's. Without a hash it is false, after the same work. Throws `TooBusy`. */
  verify(hash: string | undefined, password: string): Promise<boolean>
}

declare module 'fastify' {
  interface FastifyInstance {
    passwords: Passwords
  }
}

/** OWASP's second choice for argon2id: 19 MiB, two passes, one lane. */
const ARGON2 = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const
/** Two at once is the most that keeps reads quick on two cores; at about 80 a second the queue is served within 2 s. */
const AT_ONCE = 2
const QUEUE_LENGTH = 128

const MIN_LENGTH = 15
const COMMON = new Set(
  (dictionary['passwords-common'] ?? []).filter((password) => password.length >= MIN_LENGTH)
)

/** `fastify.passwords`: passwords are compared in NFKC (NIST SP 800-63B), hashed with argon2id, a few at a time. */
async function passwordsPlugin(fastify: FastifyInstance) {
  const slots = pLimit(AT_ONCE)
  const decoy = decoyHash()

  function whenFree<T>(work: () => Promise<T>): Promise<T> {
    if (slots.pendingCount >= QUEUE_LENGTH) throw new TooBusy()
    return slots(work)
  }

  fastify.decorate('passwords', {
    refuseGuessable,
    hash: async (password) => whenFree(() => argon2.hash(normalize(password), ARGON2)),
    verify: async (hash, password) => {
      const matches = await whenFree(() => argon2.verify(hash ?? decoy, normalize(password)))
      return matches && hash !== undefined
    }
  })
}

function refuseGuessable(password: string, username: string): void {
  const folded = normalize(password).toLowerCase()
  if (COMMON.has(folded)) refuse('is one of the most common ones')
  if (folded === normalize(username).toLowerCase()) refuse('is the username')
}

function refuse(reason: string): never {
  throw withExtras(new PasswordRefused(reason), { errors: [{ pointer: '/password', detail: reason }] })
}

function normalize(password: string): string {
  return password.normalize('NFKC')
}

/** A hash of nothing that costs what a real one costs, so that an unknown user cannot be told by the clock. */
function decoyHash(): string {
  const base64 = (bytes: number) => randomBytes(bytes).toString('base64').replace(/=+$/, '')
  const { memoryCost, timeCost, parallelism } = ARGON2
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${base64(16)}$${base64(32)}`
}

export default fp(passwordsPlugin, { name: 'passwords' })
