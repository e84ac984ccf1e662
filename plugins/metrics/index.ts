import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { metricsPortOf } from '../../config.ts'
import { measureBackups } from './backups.ts'
import { measureData } from './data.ts'
import { Instruments } from './instruments.ts'
import { observeRequests } from './requests.ts'
import { measureService } from './service.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Where plugins tell what they count, and what can be looked at (docs/operations.md#metrics). */
    metrics: Instruments
  }
  interface FastifyReply {
    /** Whether no route was found, or the route has found out that there is nothing. */
    isUnrouted: boolean
  }
}

/** `fastify.metrics`. What is counted is only collected, and requests only observed, where METRICS_PORT is set. */
async function metricsPlugin(fastify: FastifyInstance) {
  const metrics = new Instruments(fastify.log)
  fastify.decorate('metrics', metrics)
  fastify.decorateReply('isUnrouted', false)
  if (metricsPortOf(fastify.config) === 0) return
  observeRequests(fastify)
  measureService(fastify)
  measureData(fastify)
  measureBackups(fastify)
  const { processFamilies } = await import('./process.ts')
  metrics.addAll(processFamilies)
}

export default fp(metricsPlugin, { name: 'metrics', dependencies: ['build'] })
