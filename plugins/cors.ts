import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** All that tells something, but for what a page can read anyway. A test compares them with the OpenAPI document. */
const EXPOSED = [
  'Accept',
  'Accept-Patch',
  'Allow',
  'Content-Disposition',
  'ETag',
  'Link',
  'Location',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id'
]
/** All that is read of a request and that a page must ask for. */
const ALLOWED = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'Prefer'
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
    allowedHeaders: ALLOWED,
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS
  })
}

export default fp(corsPlugin, { name: 'cors', dependencies: ['metrics'] })
