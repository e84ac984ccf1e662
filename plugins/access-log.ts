import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { noteRequest } from './http/access-log.ts'

/** With ACCESS_LOG, the lines that plugins/http writes of requests tell their route and user. */
async function accessLogPlugin(fastify: FastifyInstance) {
  if (fastify.config.ACCESS_LOG === 'off') return
  fastify.addHook('onRequest', (request, _reply, done) => {
    noteRequest(request)
    done()
  })
}

export default fp(accessLogPlugin, { name: 'access-log', dependencies: ['client-address'] })
