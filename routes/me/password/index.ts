import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { changePassword } from '../../../db/commands/users.ts'
import {
  AccessTokenOnly,
  PasswordRefused,
  TooBusy,
  TooManyRequests,
  WrongPassword
} from '../../../schemas/errors.ts'
import { emptyAnswer, Ref } from '../../../schemas/ref.ts'
import { ChangePassword } from '../../../schemas/users.ts'

const password: FastifyPluginAsyncTypebox = async (fastify) => {
  const { passwords } = fastify
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.refuseApiKeys)

  fastify.route({
    method: 'PUT',
    url: '',
    schema: {
      operationId: 'changeMyPassword',
      tags: ['account'],
      summary: 'Change my password, and end my other sessions',
      description:
        'For every user with an access token, who confirms it with the current password. This session goes on; all others end. API keys stay.',
      body: Ref(ChangePassword),
      response: { 204: emptyAnswer('Changed; all other sessions have ended.') }
    },
    config: { errors: [AccessTokenOnly, WrongPassword, PasswordRefused, TooManyRequests, TooBusy] },
    handler: async (request, reply) => {
      const { id, sessionId = '' } = request.user
      const { current_password, new_password } = request.body
      const { username, password_hash } = await fastify.confirmPassword(request, current_password)
      passwords.refuseGuessable(new_password, username, '/new_password')
      const newHash = await passwords.hash(new_password)
      await fastify.run(request.user, changePassword, { currentHash: password_hash, newHash, sessionId })
      request.log.info({ event: 'password_changed', user_id: id }, 'password changed')
      return reply.code(204).send(null)
    }
  })
}

export default password
