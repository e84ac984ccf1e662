import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { violatedUnique } from '../../db/dialect.ts'
import { findCredentials, insertUser } from '../../db/users.ts'
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
  const { config, db, passwords, rateLimits } = fastify

  async function createUser(username: string, password: string) {
    // Before the costly hash; the unique index decides between those who come at the same moment.
    if (await findCredentials(db, username)) throw new UsernameTaken(username)
    const passwordHash = await passwords.hash(password)
    try {
      return await insertUser(db, { username, passwordHash })
    } catch (error) {
      throw violatedUnique(error) === 'users.username_key' ? new UsernameTaken(username) : error
    }
  }

  fastify.route({
    method: 'POST',
    url: '',
    schema: {
      operationId: 'register',
      tags: ['account'],
      summary: 'Register a user',
      security: [],
      body: Ref(Registration),
      response: { 201: answer('Registered; log in next.', User, ['Location', ...LIMITED]) }
    },
    config: { errors: [PasswordRefused, RegistrationClosed, UsernameTaken, TooManyRequests, TooBusy] },
    handler: async (request, reply) => {
      if (config.REGISTRATION === 'closed') throw new RegistrationClosed()
      const { username, password } = request.body
      passwords.refuseGuessable(password, username)
      reply.rateLimit(await rateLimits.registration.consume(request.clientAddress))
      const user = await createUser(username, password)
      request.log.info(
        { event: 'user_registered', user_id: user.id, address: request.clientAddress },
        'user registered'
      )
      reply.code(201).header('location', `/users/${user.id}`)
      return user
    }
  })
}

export default register
