import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

const EXPOSED = [
  'ETag',
  'Link',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id'
]
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const PREFLIGHT_SECONDS = 600

/** Lets pages of the origins in CORS_ORIGINS use the service from a browser (https://fetch.spec.whatwg.org); off while it names none. */
async function corsPlugin(fastify: FastifyInstance) {
  const origins = new Set(fastify.config.CORS_ORIGINS.split(',').map((origin) => origin.trim()))
  if (fastify.config.CORS_ORIGINS === '') return
  await fastify.register(cors, {
    origin: (origin, allow) => allow(null, origin !== undefined && origins.has(origin)),
    // An OPTIONS that is no preflight is answered like any other.
    strictPreflight: false,
    methods: METHODS,
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'If-Match',
      'If-None-Match',
      'Idempotency-Key',
      'Prefer'
    ],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS
  })
}

export default fp(corsPlugin, { name: 'cors' })
