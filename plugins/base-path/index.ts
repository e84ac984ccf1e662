import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigRefused, toBasePath } from '../../config.ts'
import { basePathFinder, basePathOf } from './paths.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether this path begins as an address of the service itself does. */
    beginsOwnAddress(path: string): boolean
  }
  interface FastifyRequest {
    /**
     * The path below which the client finds the service: empty at the root, or such as `/library`. Every path in an answer
     * begins with it.
     */
    readonly basePath: string
  }
}

/**
 * `request.basePath`: BASE_PATH, or the X-Forwarded-Prefix of a trusted proxy. Whether the proxy takes it off the addresses or
 * not, the routes never see it. Throws `ConfigRefused` for one that is an address of the service, where nobody could tell.
 */
async function basePathPlugin(fastify: FastifyInstance) {
  const firstSegments = new Set<string>()
  fastify.addHook('onRoute', ({ url }) => {
    firstSegments.add(firstSegmentOf(url))
  })
  fastify.decorate('beginsOwnAddress', (path) => firstSegments.has(firstSegmentOf(path)))

  if (basePathFinder(fastify.config) === undefined) fastify.decorateRequest('basePath', '')
  else {
    fastify.decorateRequest('basePath', {
      getter() {
        return basePathOf(this.raw)
      }
    })
  }

  fastify.addHook('onReady', async () => {
    const path = toBasePath(fastify.config.BASE_PATH) ?? ''
    if (path === '' || !fastify.beginsOwnAddress(path)) return
    throw new ConfigRefused(
      `BASE_PATH is "${fastify.config.BASE_PATH}", but must not begin as an address of the service does.`
    )
  })
}

function firstSegmentOf(path: string): string {
  return path.split('/', 2)[1] ?? ''
}

export default fp(basePathPlugin, { name: 'base-path' })
