import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Every answer carries its request's id, by which the log and the problem documents name it too. */
async function requestId(fastify: FastifyInstance) {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
}

export default fp(requestId, { name: 'request-id' })
