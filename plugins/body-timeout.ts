import { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyRequest {
    /** Runs while the body comes in; who expects a long one refreshes it with each piece. */
    bodyTimer: NodeJS.Timeout | undefined
  }
}

/**
 * A body must have come within REQUEST_TIMEOUT seconds, or is answered 408. Node's own timeout is one for all requests, and
 * stands at an hour for those that upload a file, of which only the pauses are limited. The time begins with the turn of a request that may write: before
 * that nobody reads its body.
 */
async function bodyTimeout(fastify: FastifyInstance) {
  const timeout = fastify.config.REQUEST_TIMEOUT * 1000
  fastify.decorateRequest('bodyTimer', undefined)

  fastify.addHook('onRequest', (request, _reply, done) => {
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
    if (length !== '0' || encoding !== undefined) startTimer(fastify, request, timeout)
    done()
  })
}

function startTimer({ server }: FastifyInstance, request: FastifyRequest, timeout: number): void {
  const { raw } = request
  const timer = setTimeout(() => {
    // An injected request has none.
    if (!(raw.socket instanceof Socket)) return
    const error = Object.assign(new Error('the body did not come in time'), {
      code: 'ERR_HTTP_REQUEST_TIMEOUT'
    })
    server.emit('clientError', error, raw.socket)
  }, timeout)
  timer.unref()
  request.bodyTimer = timer
  raw.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
}

export default fp(bodyTimeout, { name: 'body-timeout', dependencies: ['write-turns'] })
