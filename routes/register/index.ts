import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { registerUser } from '../../db/commands/users.ts'
import {
  PasswordRefused,
  RegistrationClosed,
  TooBusy,
  TooManyRequests,
  UsernameTaken
} from '../../schemas/errors.ts'
import { answer, LIMITED, Ref } from '../../schemas/ref.ts'
import { Registration, User } from '../../schemas/users.ts'

const register: FastifyPluginAsyncTypebox = async (fastify) => {
  const { config, passwords, rateLimits, usernames } = fastify

  async function createUser(username: string, password: string) {
    // Before the costly hash; the command decides between those who come at the same moment.
    await usernames.refuseTaken(username)
    const passwordHash = await passwords.hash(password)
    return fastify.run('service', registerUser, { username, passwordHash })
  }

  fastify.route({
    method: 'POST',
    url: '',
    schema: {
      operationId: 'register',
      tags: ['account'],
      summary: 'Register a user',
      description:
        'Anyone may, while registration is open. Usernames are compared by their look and without case; passwords have 15 characters or more and are not easy to guess.',
      security: [],
      body: Ref(Registration),
      response: { 201: answer('Registered; log in next.', User, ['Location', ...LIMITED]) }
    },
    config: { errors: [PasswordRefused, RegistrationClosed, UsernameTaken, TooManyRequests, TooBusy] },
    handler: async (request, reply) => {
      if (config.REGISTRATION === 'closed') throw new RegistrationClosed()
      const { username, password } = request.body
      usernames.refuse(username)
      passwords.refuseGuessable(password, username)
      reply.rateLimit(await rateLimits.registration.consume(request.clientAddress))
      const user = await createUser(username, password)
      request.log.info(
        { event: 'user_registered', user_id: user.id, address: request.clientAddress },
        'user registered'
      )
      reply.code(201).header('location', `${request.basePath}/users/${user.id}`)
      return user
    }
  })
}

export default register
