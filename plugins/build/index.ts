import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { type Build, readBuild } from './version.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Which version this is, and since when it runs. */
    build: Build & { startedAt: string }
  }
}

/** `fastify.build`, for those who ask what runs here. */
async function buildPlugin(fastify: FastifyInstance) {
  const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString()
  fastify.decorate('build', { ...readBuild(), startedAt })
}

export default fp(buildPlugin, { name: 'build' })
