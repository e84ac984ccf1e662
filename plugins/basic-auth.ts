import basicAuth from '@fastify/basic-auth'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { findCredentials } from '../db/users.ts'
import { InvalidCredentials } from '../schemas/errors.ts'

/** `fastify.basicAuth`: an `onRequest` hook that checks username and password (RFC 7617, UTF-8) and sets `request.user`. */
async function basicAuthPlugin(fastify: FastifyInstance) {
  async function validate(username: string, password: string, request: FastifyRequest) {
    const user = await findCredentials(fastify.db, username)
    const matches = await fastify.passwords.verify(user?.password_hash, password)
    if (user === undefined || !matches) throw new InvalidCredentials()
    request.user = { id: user.id }
  }
  await fastify.register(basicAuth, { validate, authenticate: false })
}

export default fp(basicAuthPlugin, {
  name: 'basic-auth',
  dependencies: ['database', 'passwords', 'access-tokens']
})
