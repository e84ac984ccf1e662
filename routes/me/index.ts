import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findUserById } from '../../db/users.ts'
import { InvalidToken } from '../../schemas/errors.ts'
import { answer } from '../../schemas/ref.ts'
import { User } from '../../schemas/users.ts'

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
    handler: async (request) => {
      const user = await findUserById(fastify.db, request.user.id)
      if (user === undefined) throw new InvalidToken()
      return user
    }
  })
}

export default me
