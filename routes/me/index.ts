import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { deleteMe } from '../../db/commands/account-deletions.ts'
import { findUserById } from '../../db/users.ts'
import {
  AccessTokenOnly,
  InvalidToken,
  LastAdmin,
  TooBusy,
  TooManyRequests,
  WrongPassword
} from '../../schemas/errors.ts'
import { answer, emptyAnswer, Ref } from '../../schemas/ref.ts'
import { ConfirmPassword, User } from '../../schemas/users.ts'

const me: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.addHook('onRequest', fastify.authenticate)

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'getMe',
      tags: ['account'],
      summary: 'Who I am',
      description:
        'For every user, with an access token or an API key. Tells the id, the username and the role.',
      response: { 200: answer('The user whose token this is.', User) }
    },
    handler: async (request, reply) => {
      reply.cacheControl('no-store')
      const user = await findUserById(fastify.db, request.user.id)
      if (user === undefined) throw new InvalidToken()
      return user
    }
  })

  fastify.route({
    method: 'DELETE',
    url: '',
    onRequest: fastify.refuseApiKeys,
    schema: {
      operationId: 'deleteMe',
      tags: ['account'],
      summary: 'Delete my account; my authors stay, without owner',
      description:
        'For every user with an access token, who confirms it with the password. It cannot be undone; the last admin cannot leave.',
      body: Ref(ConfirmPassword),
      response: { 204: emptyAnswer('Deleted, with all sessions and keys.') }
    },
    config: { errors: [AccessTokenOnly, WrongPassword, LastAdmin, TooManyRequests, TooBusy] },
    handler: async (request, reply) => {
      const { id } = await fastify.confirmPassword(request, request.body.password)
      await fastify.run(request.user, deleteMe, {})
      request.log.info({ event: 'user_deleted', user_id: id, by: id }, 'user deleted')
      await fastify.housekeeping.finishDeletion(id)
      return reply.code(204).send(null)
    }
  })
}

export default me
