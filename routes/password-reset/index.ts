import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { deleteApiKeys } from '../../db/api-keys.ts'
import { takePasswordReset } from '../../db/password-resets.ts'
import { endSessions } from '../../db/sessions.ts'
import { findCredentials, updatePasswordHash } from '../../db/users.ts'
import { InvalidResetCode, PasswordRefused, TooBusy, TooManyRequests } from '../../schemas/errors.ts'
import { emptyAnswer, LIMITED, Ref } from '../../schemas/ref.ts'
import { ResetPassword } from '../../schemas/users.ts'

/** Where a user exchanges the one-time code from `npm run user -- reset-password`. */
const passwordReset: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db, passwords, rateLimits } = fastify

  fastify.route({
    method: 'POST',
    url: '',
    schema: {
      operationId: 'resetPassword',
      tags: ['account'],
      summary: 'Set a new password with a one-time code from the operator',
      security: [],
      body: Ref(ResetPassword),
      response: { 204: emptyAnswer('Set; all sessions and API keys are gone. Log in next.', LIMITED) }
    },
    config: { errors: [InvalidResetCode, PasswordRefused, TooManyRequests, TooBusy] },
    handler: async (request, reply) => {
      const { username, code, new_password } = request.body
      reply.rateLimit(await rateLimits.passwordReset.consume(username, request.clientAddress))
      passwords.refuseGuessable(new_password, username, '/new_password')
      // Hashed before the code is looked at, so that the clock does not tell who exists.
      const hash = await passwords.hash(new_password)
      const user = await findCredentials(db, username)
      const isTaken = await db.transaction().execute(async (trx) => {
        if (user === undefined || !(await takePasswordReset(trx, user.id, code))) return false
        await updatePasswordHash(trx, user.id, hash)
        await endSessions(trx, user.id, 'password_reset')
        await deleteApiKeys(trx, user.id)
        return true
      })
      if (!isTaken) throw new InvalidResetCode()
      request.log.info({ event: 'password_reset', user_id: user?.id }, 'password reset')
      return reply.code(204).send(null)
    }
  })
}

export default passwordReset
