import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { createPasswordReset } from '../../db/commands/password-resets.ts'
import { drawResetCode } from '../../db/password-resets.ts'
import { AccessTokenOnly, RoleRequired, UserNotFound } from '../../schemas/errors.ts'
import { answer, emptyAnswer } from '../../schemas/ref.ts'
import { ResetCode, UserParams } from '../../schemas/users.ts'
import { getUser, note } from './one-user.ts'

const REFUSALS = [RoleRequired, AccessTokenOnly, UserNotFound]

/** Letting somebody in again who cannot log in. */
const resets: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify
  fastify.addHook('onRequest', fastify.administer)

  fastify.route({
    method: 'POST',
    url: '/:id/reset-code',
    schema: {
      operationId: 'createResetCode',
      tags: ['users'],
      summary: 'Make a code by which a user sets a new password, as an admin',
      description:
        'For admins with an access token. The code is shown in this answer alone, and one from before is no longer good. What was counted of failed logins is forgotten. Until the code is used, the password and the sessions of the user stay as they are.',
      params: UserParams,
      response: { 200: answer('The code, this once.', ResetCode) }
    },
    config: { errors: REFUSALS },
    handler: async (request) => {
      const user = await getUser(db, request.params.id)
      const { id } = user
      const { code, expiresAt } = drawResetCode()
      await fastify.run(request.user, createPasswordReset, { userId: id, code, expiresAt })
      await fastify.rateLimits.unlock(request.user, user)
      note(request, { event: 'reset_code_created', user_id: id })
      return { reset_code: code, expires_at: expiresAt }
    }
  })

  fastify.route({
    method: 'POST',
    url: '/:id/unlock',
    schema: {
      operationId: 'unlockUser',
      tags: ['users'],
      summary: 'Let a user log in at once who has failed too often, as an admin',
      description:
        'For admins with an access token. Forgets the failed logins and password resets of this account, from any address. Who is disabled stays so: see `PATCH /users/{id}`.',
      params: UserParams,
      response: { 204: emptyAnswer('Forgotten, if there were any.') }
    },
    config: { errors: REFUSALS },
    handler: async (request, reply) => {
      const user = await getUser(db, request.params.id)
      const forgotten = await fastify.rateLimits.unlock(request.user, user)
      note(request, { event: 'user_unlocked', user_id: user.id, forgotten })
      return reply.code(204).send(null)
    }
  })
}

export default resets
