import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { findNamesake } from '../../db/users.ts'
import { UsernameTaken, ValidationFailed, withExtras } from '../../schemas/errors.ts'
import { Username } from '../../schemas/users.ts'
import { toFieldErrors, type Violation } from '../errors/field-errors.ts'
import { buildValidator } from '../validation.ts'
import { whyConfusable } from './confusable.ts'

export interface Usernames {
  /** Throws `ValidationFailed` for a name that nobody can have, because of its form or because it could be taken for another. */
  refuse(username: string): void
  /** Throws `UsernameTaken`; of two who come at the same moment, the command decides. */
  refuseTaken(username: string): Promise<void>
}

declare module 'fastify' {
  interface FastifyInstance {
    usernames: Usernames
  }
}

type Validate = ReturnType<ReturnType<typeof buildValidator>>

/** `fastify.usernames`: which names a new user may have, whoever gives them: the user, an admin or the operator. */
async function usernamesPlugin(fastify: FastifyInstance) {
  let validate: Validate | undefined

  /** As a body would be; made when it is first asked for. */
  function isWellFormed(username: string): boolean {
    const schema = Type.Object({ username: Username })
    validate ??= buildValidator({})({ schema, method: 'POST', url: '/users', httpPart: 'body' })
    return validate({ username }) as boolean
  }

  fastify.decorate('usernames', {
    refuse(username) {
      if (!isWellFormed(username))
        throw withExtras(new ValidationFailed(), {
          errors: toFieldErrors((validate?.errors ?? []) as Violation[])
        })
      const detail = whyConfusable(username)
      if (detail === undefined) return
      throw withExtras(new ValidationFailed(), { errors: [{ pointer: '/username', detail }] })
    },
    async refuseTaken(username) {
      const namesake = await findNamesake(fastify.db, username)
      if (namesake === undefined) return
      const errors = [{ pointer: '/username', detail: `looks the same as ${namesake.username}` }]
      throw withExtras(new UsernameTaken(username), { errors })
    }
  })
}

export default fp(usernamesPlugin, { name: 'usernames', dependencies: ['database'] })
