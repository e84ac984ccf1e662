import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { findUserNumber, listAccountLog } from '../../db/account-log.ts'
import { AccountEntryPage } from '../../schemas/account-log.ts'
import { AccessTokenOnly, InvalidCursor, RoleRequired, UserNotFound } from '../../schemas/errors.ts'
import { PageQuery } from '../../schemas/pages.ts'
import { answer } from '../../schemas/ref.ts'
import { UserParams } from '../../schemas/users.ts'
import { note } from './one-user.ts'

const history: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify

  fastify.route({
    method: 'GET',
    url: '/:id/history',
    onRequest: fastify.administer,
    schema: {
      operationId: 'listUserHistory',
      tags: ['users'],
      summary: 'What was done to an account, the newest first, as an admin; also to a deleted one',
      description:
        'For admins with an access token. Tells what was done, when, and which user or operator did it. Follow `next` from page to page until it is null.',
      params: UserParams,
      querystring: PageQuery,
      response: { 200: answer('A page of entries.', AccountEntryPage, ['Link']) }
    },
    config: { errors: [UserNotFound, RoleRequired, AccessTokenOnly, InvalidCursor] },
    handler: async (request, reply) => {
      const { limit = 20 } = request.query
      const { id } = request.params
      const userNumber = await findUserNumber(db, id)
      if (userNumber === undefined) throw new UserNotFound(id)
      const [before] = request.pageStart<readonly [number]>(['number']) ?? []
      const entries = await listAccountLog(db, userNumber, { limit: limit + 1, before })
      note(request, { event: 'user_history_listed', user_id: id })
      return reply.page(entries, limit, ({ entry }) => [entry])
    }
  })
}

export default history
