import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { resetPassword } from '../../db/commands/password-resets.ts'
import { InvalidResetCode, PasswordRefused, TooBusy, TooManyRequests } from '../../schemas/errors.ts'
import { emptyAnswer, LIMITED, Ref } from '../../schemas/ref.ts'
import { ResetPassword } from '../../schemas/users.ts'

/** Where a user exchanges the one-time code from `npx library user reset-password`. */
const passwordReset: FastifyPluginAsyncTypebox = async (fastify) => {
  const { passwords, rateLimits } = fastify

  fastify.route({
    method: 'POST',
    url: '',
    schema: {
      operationId: 'resetPassword',
      tags: ['account'],
      summary: 'Set a new password with a one-time code from the operator',
      description:
        'Anyone with a code from the operator (`npx library user reset-password`). The code works once; all sessions and API keys of the user end.',
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
      const newHash = await passwords.hash(new_password)
      const id = await fastify.run('service', resetPassword, { username, code, newHash })
      const unlocked = await rateLimits.unlock('service', { id, username })
      request.log.info({ event: 'password_reset', user_id: id, unlocked }, 'password reset')
      return reply.code(204).send(null)
    }
  })
}

export default passwordReset
