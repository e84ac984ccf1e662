import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findUserById, listUsers } from '../../db/users.ts'
import { InvalidCursor, UserNotFound } from '../../schemas/errors.ts'
import { PageQuery } from '../../schemas/pages.ts'
import { answer } from '../../schemas/ref.ts'
import { User, UserPage, UserParams } from '../../schemas/users.ts'

const users: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.addHook('onRequest', fastify.authenticate)

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listUsers',
      tags: ['users'],
      summary: 'List the users, newest first',
      querystring: PageQuery,
      response: { 200: answer('A page of users.', UserPage, ['Link']) }
    },
    config: { errors: [InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      return reply.page(await listUsers(fastify.db, { limit: limit + 1, before: request.pageStart() }), limit)
    }
  })

  fastify.route({
    method: 'GET',
    url: '/:id',
    schema: {
      operationId: 'getUser',
      tags: ['users'],
      summary: 'Get a user',
      params: UserParams,
      response: { 200: answer('The user.', User) }
    },
    config: { errors: [UserNotFound] },
    handler: async (request) => {
      const { id } = request.params
      const user = await findUserById(fastify.db, id)
      if (user === undefined) throw new UserNotFound(id)
      return user
    }
  })
}

export default users
