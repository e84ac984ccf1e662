import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { METHODS } from './bare-answers.ts'
import { faultOf } from './faults.ts'
import { openSocketsOf } from './open-sockets.ts'
import { share } from './shared.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** A body that many answers share, and that takes its memory only once. */
    share(body: string | Buffer): Buffer
    /** Whether the process has been asked to end. */
    isEnding(): boolean
  }
}

/**
 * What HTTP itself asks of every request, whichever its address: throws `MalformedRequest`, `CodingNotImplemented` or
 * `ExpectationFailed`, and answers `OPTIONS *` (RFC 9110 section 9.3.7). The bounds of connections are in server.ts.
 */
async function httpPlugin(fastify: FastifyInstance) {
  fastify.decorate('share', share)
  fastify.decorate('isEnding', () => openSocketsOf(fastify.server).isEnding)
  fastify.metrics.total(
    {
      name: 'library_http_bare_answers_total',
      help: 'Requests that were refused before a route was looked for: overload, no HTTP, too large, too late.',
      label: 'status'
    },
    () => openSocketsOf(fastify.server).bareAnswers
  )
  fastify.addHook('onRequest', ({ raw }, reply, done) => {
    const fault = faultOf(raw)
    if (fault === undefined && raw.url === '*') reply.code(204).header('allow', METHODS).send()
    else done(fault)
  })
}

export default fp(httpPlugin, {
  name: 'http',
  dependencies: ['cors', 'metrics', 'request-id', 'security-headers']
})
