import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { deleteUser, findUserById, hasOtherAdmin } from '../../db/users.ts'
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
      body: Ref(ConfirmPassword),
      response: { 204: emptyAnswer('Deleted, with all sessions and keys.') }
    },
    config: { errors: [AccessTokenOnly, WrongPassword, LastAdmin, TooManyRequests, TooBusy] },
    handler: async (request, reply) => {
      const { id } = await fastify.confirmPassword(request, request.body.password)
      await fastify.db.transaction().execute(async (trx) => {
        await fastify.recheck(trx, request.user)
        const user = await findUserById(trx, id)
        if (user?.role === 'admin' && !(await hasOtherAdmin(trx, id))) throw new LastAdmin()
        await deleteUser(trx, id, id)
      })
      request.log.info({ event: 'user_deleted', user_id: id, by: id }, 'user deleted')
      return reply.code(204).send(null)
    }
  })
}

export default me
