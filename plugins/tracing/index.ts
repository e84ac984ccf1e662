import { AsyncLocalStorage } from 'node:async_hooks'
import type { Span } from '@opentelemetry/api'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Tracer } from './tracer.ts'

/** What a batch of writes took, as its engine tells. */
interface Batch {
  calls: number
  lockMs: number
  commitMs: number
}

export interface Tracing {
  /** Does a write as a span of the request that it is for, if it is for one; in it what it waited for, and the commit. */
  traceWrite<T>(command: string, write: () => Promise<T>): Promise<T>
  noteBatch(batch: Batch): void
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined where nothing is traced. */
    tracing: Tracing | undefined
  }
  interface FastifyRequest {
    /** The trace that the request is of, where there is tracing. */
    traceId: string | undefined
  }
}

/**
 * With OTEL_EXPORTER_OTLP_ENDPOINT, each request is a span: its method, route template and status, and never its path or query, which are the
 * client's own, nor the message of an error, which may have them. OpenTelemetry is loaded only then.
 */
async function tracingPlugin(fastify: FastifyInstance) {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, SHUTDOWN_TIMEOUT } = fastify.config
  fastify.decorateRequest('traceId', undefined)
  if (endpoint === '') {
    fastify.decorate('tracing', undefined)
    return
  }
  const { openTracer } = await import('./tracer.ts')
  const tracer = await openTracer(endpoint, fastify.log)
  const requests = new AsyncLocalStorage<Span>()
  const spans = new WeakMap<FastifyRequest, Span>()
  fastify.decorate('tracing', tracingOf(tracer, requests))
  fastify.addHook('onClose', () => tracer.close(SHUTDOWN_TIMEOUT * 1000))

  fastify.addHook('onRequest', (request, reply, done) => {
    const { method, routeOptions, headers } = request
    const { url: route } = routeOptions
    const span = tracer.beginRequest(headers.traceparent, {
      name: route === undefined ? method : `${method} ${route}`,
      attributes: { 'http.request.method': method, ...(route && { 'http.route': route }) }
    })
    const { traceId, spanId } = span.spanContext()
    request.traceId = traceId
    request.log = request.log.child({ trace_id: traceId, span_id: spanId })
    reply.log = request.log
    spans.set(request, span)
    reply.raw.once('close', () => tracer.endRequest(span, reply.raw))
    requests.run(span, done)
  })
  // The events of a body that comes in belong to no request.
  fastify.addHook('preValidation', (request, _reply, done) => {
    requests.run(spans.get(request) as Span, done)
  })
}

function tracingOf(tracer: Tracer, requests: AsyncLocalStorage<Span>): Tracing {
  let last: (Batch & { at: number }) | undefined

  return {
    noteBatch(batch) {
      last = { ...batch, at: now() }
    },
    async traceWrite(command, write) {
      const request = requests.getStore()
      if (request === undefined) return write()
      const begun = now()
      const span = tracer.begin(request, `write ${command}`, begun)
      try {
        return await write()
      } finally {
        // The batch that was committed last before the answer: its own, but where many are answered at once.
        if (last !== undefined && last.at >= begun) {
          const { at, commitMs, lockMs, calls } = last
          const committing = Math.max(begun, at - commitMs)
          tracer.add(span, 'wait', [begun, committing], { 'library.lock_ms': lockMs })
          tracer.add(span, 'commit', [committing, at], { 'library.batch.calls': calls })
        }
        span.end(now())
      }
    }
  }
}

/** In ms since 1970, and parts of one. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

export default fp(tracingPlugin, { name: 'tracing', dependencies: ['request-id'] })
