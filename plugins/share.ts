import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { workersOf } from '../config.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What this process may have of something of which all WORKERS together may have `total`; at least one. */
    shareOf(total: number): number
  }
}

async function sharePlugin(fastify: FastifyInstance) {
  const workers = workersOf(fastify.config)
  fastify.decorate('shareOf', (total) => Math.max(1, Math.floor(total / workers)))
}

export default fp(sharePlugin, { name: 'share' })
