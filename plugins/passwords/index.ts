import { availableParallelism } from 'node:os'
import argon2 from 'argon2'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import pLimit from 'p-limit'
import { PasswordRefused, TooBusy, withExtras } from '../../schemas/errors.ts'
import { loadCommonPasswords } from './common-passwords.ts'
import { whyGuessable } from './guessable.ts'
import { ARGON2, decoyHash, isSane } from './hashes.ts'

export interface Passwords {
  /**
   * Throws `PasswordRefused` for what is guessed first: the most common passwords, the username and the words of this
   * service, patterns. `pointer` says where in the body it lies, `/password` unless told.
   */
  refuseGuessable(password: string, username: string, pointer?: string): void
  /** The PHC string to store. Throws `TooBusy`. */
  hash(password: string): Promise<string>
  /** Whether the hash is the password's. Without a hash, or with one that is not ours, it is false, after the same work. Throws `TooBusy`. */
  verify(hash: string | undefined, password: string): Promise<boolean>
  /** Whether a hash that was verified was made with other parameters than today's. */
  needsRehash(hash: string): boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    passwords: Passwords
  }
}

/** One core is left to the event loop: with hashes on all of them the p99 of reads grew tenfold. Never more than two. */
const AT_ONCE = Math.max(1, Math.min(2, availableParallelism() - 1))
/** At some 50 a second and core, who is last is served within 3 seconds. */
const QUEUE_LENGTH = 128

/** `fastify.passwords`: passwords are compared in NFKC (NIST SP 800-63B), hashed with argon2id, a few at a time. */
async function passwordsPlugin(fastify: FastifyInstance) {
  const slots = pLimit(fastify.shareOf(AT_ONCE))
  const queueLength = fastify.shareOf(QUEUE_LENGTH)
  const decoy = decoyHash()
  const common = loadCommonPasswords()

  function whenFree<T>(work: () => Promise<T>): Promise<T> {
    if (slots.pendingCount >= queueLength) throw new TooBusy()
    return slots(work)
  }

  fastify.metrics.gauge(
    {
      name: 'library_password_hashes',
      help: 'Passwords that are being hashed, and those that wait for it; when too many wait, logins are answered 503.',
      label: 'state'
    },
    () => ({ running: slots.activeCount, waiting: slots.pendingCount })
  )
  fastify.decorate('passwords', {
    refuseGuessable: (password, username, pointer = '/password') => {
      const reason = whyGuessable(password, username, common)
      if (reason === undefined) return
      throw withExtras(new PasswordRefused(reason), { errors: [{ pointer, detail: reason }] })
    },
    hash: async (password) => whenFree(() => argon2.hash(normalize(password), ARGON2)),
    verify: async (hash, password) => {
      const usable = hash !== undefined && isSane(hash)
      if (hash !== undefined && !usable) {
        fastify.log.error({ event: 'password_hash_refused' }, 'a stored password hash is none of ours')
      }
      const matches = await whenFree(() => argon2.verify(usable ? hash : decoy, normalize(password)))
      return matches && usable
    },
    needsRehash: (hash) => argon2.needsRehash(hash, ARGON2)
  })
}

/** Longer than any password in any of its spellings. */
const LONGEST_PASSWORD = 1000

/** What is too long for a password stays as it is, for to put a long row of marks in order takes quadratic time. */
function normalize(password: string): string {
  return password.length > LONGEST_PASSWORD ? password : password.normalize('NFKC')
}

export default fp(passwordsPlugin, { name: 'passwords', dependencies: ['metrics', 'share'] })
