import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** Helmet's headers; an answer of this service is data, so nothing may be loaded from it or framed (the docs set their own policy). */
async function securityHeaders(fastify: FastifyInstance) {
  await fastify.register(helmet, {
    xFrameOptions: { action: 'deny' },
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"]
      }
    }
  })
}

export default fp(securityHeaders, { name: 'security-headers' })
