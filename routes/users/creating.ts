import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createUser } from '../../db/commands/users.ts'
import { drawResetCode, isResetCode } from '../../db/password-resets.ts'
import type { PublicUser } from '../../db/users.ts'
import {
  AccessTokenOnly,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  RoleRequired,
  TooBusy,
  UsernameTaken
} from '../../schemas/errors.ts'
import { idempotency } from '../../schemas/headers.ts'
import { answer, Ref } from '../../schemas/ref.ts'
import { CreateUser, NewUser } from '../../schemas/users.ts'
import { note } from './one-user.ts'

const creating: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db, passwords, usernames } = fastify

  fastify.route({
    method: 'POST',
    url: '',
    onRequest: fastify.administer,
    schema: {
      operationId: 'createUser',
      tags: ['users'],
      summary: 'Create a user, as an admin; answers a code by which the user sets a password',
      description:
        'For admins with an access token, also where registration is closed. Give the code to the user, who sets a password with it at `POST /password-reset`. It is shown in this answer alone: with an `Idempotency-Key` the request can be repeated without creating a second user, and a repetition has no code; `POST /users/{id}/reset-code` makes another.',
      headers: Type.Object(idempotency),
      body: Ref(CreateUser),
      response: { 201: answer('Created. The code is shown this once.', NewUser, ['Location']) }
    },
    config: {
      errors: [
        RoleRequired,
        AccessTokenOnly,
        UsernameTaken,
        TooBusy,
        IdempotencyKeyInUse,
        IdempotencyKeyReused
      ]
    },
    handler: async (request, reply) => {
      const { username, role = 'editor' } = request.body
      usernames.refuse(username)
      const passwordHash = await passwords.hash(randomBytes(32).toString('base64url'))
      const reset = drawResetCode()
      const input = { username, role, passwordHash, ...reset }
      const { headers, body } = await fastify.writeOnce(request, createUser, input, 201)
      const user: PublicUser = JSON.parse(body as string)
      const isFirst = await isResetCode(db, user.id, reset.code, new Date().toISOString())
      if (isFirst) note(request, { event: 'user_created', user_id: user.id, role })
      reply.code(201).header('location', request.basePath + headers.location)
      return {
        ...user,
        reset_code: isFirst ? reset.code : null,
        reset_code_expires_at: isFirst ? reset.expiresAt : null
      }
    }
  })
}

export default creating
