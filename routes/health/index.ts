import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { timesOf } from '../../db/backups/state.ts'
import { ShuttingDown } from '../../schemas/errors.ts'
import { answer } from '../../schemas/ref.ts'
import { Health, Readiness } from '../../schemas/service.ts'

/** For load balancers and orchestrators: live means the process answers, ready that it can also reach its data and is not about to end. */
const health: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.route({
    method: 'GET',
    url: '/live',
    schema: {
      operationId: 'getLiveness',
      tags: ['service'],
      summary: 'Whether the process answers',
      description:
        'Anyone may ask, as a load balancer or an orchestrator does. Says nothing of the data; see `GET /health/ready` for that.',
      security: [],
      response: { 200: answer('It does.', Health, ['Cache-Control']) }
    },
    handler: async (_request, reply) => {
      reply.cacheControl('no-store')
      return { status: 'ok' as const }
    }
  })

  fastify.route({
    method: 'GET',
    url: '/ready',
    schema: {
      operationId: 'getReadiness',
      tags: ['service'],
      summary: 'Whether the service can reach its data',
      description:
        'Anyone may ask. Answers 503 while the database cannot be read or written, so that no requests are sent here.',
      security: [],
      response: { 200: answer('It can.', Readiness, ['Cache-Control']) }
    },
    config: { errors: [ShuttingDown] },
    handler: async (_request, reply) => {
      reply.cacheControl('no-store')
      if (fastify.isEnding()) throw new ShuttingDown()
      await fastify.checkDatabase()
      const backups = fastify.backups.status()
      return { status: 'ok' as const, ...(backups && { backups: timesOf(backups) }) }
    }
  })
}

export default health
