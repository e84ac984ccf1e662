import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { findCredentialsById } from '../db/users.ts'
import { InvalidToken, WrongPassword } from '../schemas/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The signed-in user, once the password has shown that it is really that person; guesses count as failed logins.
     * Throws `WrongPassword`, `TooManyRequests`, `TooBusy`, or `InvalidToken` when the user is gone.
     */
    confirmPassword(
      request: FastifyRequest,
      password: string
    ): Promise<{ id: string; username: string; password_hash: string }>
  }
}

/** `fastify.confirmPassword`: for what a stolen token alone must not be able to do. */
async function confirmPasswordPlugin(fastify: FastifyInstance) {
  const { db, passwords, rateLimits } = fastify

  fastify.decorate('confirmPassword', async (request, password) => {
    const user = await findCredentialsById(db, request.user.id)
    if (user === undefined) throw new InvalidToken()
    await rateLimits.login.check(user.username, request.clientAddress)
    if (await passwords.verify(user.password_hash, password)) {
      // Looks again: of many tries at once, those beyond the limit are refused even when one of them is right.
      await rateLimits.login.succeeded(user.username, request.clientAddress)
      return user
    }
    await rateLimits.login.failed(user.username, request.clientAddress)
    throw new WrongPassword()
  })
}

export default fp(confirmPasswordPlugin, {
  name: 'confirm-password',
  dependencies: ['client-address', 'database', 'passwords', 'rate-limits']
})
