import sensible from '@fastify/sensible'
import fp from 'fastify-plugin'

/** `reply.vary` and `reply.cacheControl` (@fastify/sensible); its errors stay unused, for ours are in schemas/errors.ts. */
export default fp(sensible, { name: 'sensible' })
