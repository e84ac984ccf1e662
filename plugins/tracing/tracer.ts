import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type * as Api from '@opentelemetry/api'
import type { FastifyBaseLogger } from 'fastify'

type Span = Api.Span
type Exporter = import('@opentelemetry/sdk-trace-node').SpanExporter

/** Another span's ids and whether it is recorded (W3C Trace Context). */
const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-|$)/
const NO_ID = /^0+$/
/** Of an export; requests never wait for one. */
const EXPORT_MS = 3000

/** OpenTelemetry is there, but not what this service was tried with, or not at all. */
export class TracingRefused extends Error {
  override readonly name = 'TracingRefused'
}

export interface Tracer {
  beginRequest(
    traceparent: string | string[] | undefined,
    about: { name: string; attributes: Api.Attributes }
  ): Span
  endRequest(span: Span, response: ServerResponse): void
  begin(parent: Span, name: string, at: number): Span
  add(parent: Span, name: string, times: [begun: number, ended: number], attributes: Api.Attributes): void
  /** Sends what is left, for so many milliseconds at the most. */
  close(milliseconds: number): Promise<void>
}

/** Makes spans, which go to this endpoint by OTLP over HTTP, some at a time. Throws `TracingRefused`. */
export async function openTracer(endpoint: string, log: FastifyBaseLogger): Promise<Tracer> {
  const { api, resources, sdk, otlp } = await load()
  const { name, version } = readPackage()
  const exporter = new otlp.OTLPTraceExporter({
    url: new URL('v1/traces', endpoint.endsWith('/') ? endpoint : `${endpoint}/`).href,
    timeoutMillis: EXPORT_MS
  })
  const provider = new sdk.NodeTracerProvider({
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': name, 'service.version': version })),
    spanProcessors: [new sdk.BatchSpanProcessor(telling(exporter, log))]
  })
  // Not registered for the whole process, of which this service may be a part.
  const tracer = provider.getTracer(name, version)
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = api

  function contextOf(traceparent: string | string[] | undefined): Api.Context {
    const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(String(traceparent)) ?? []
    if (NO_ID.test(traceId) || NO_ID.test(spanId) || traceId === '') return ROOT_CONTEXT
    const traceFlags = Number.parseInt(flags, 16) & 1
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
  }

  return {
    beginRequest: (traceparent, { name, attributes }) =>
      tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, contextOf(traceparent)),
    endRequest(span, { statusCode, headersSent, writableFinished }) {
      if (headersSent) span.setAttribute('http.response.status_code', statusCode)
      if (!writableFinished) span.setAttribute('library.cut_off', true)
      if (statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    },
    begin: (parent, name, startTime) =>
      tracer.startSpan(name, { startTime }, trace.setSpan(ROOT_CONTEXT, parent)),
    add(parent, name, [startTime, ended], attributes) {
      tracer.startSpan(name, { startTime, attributes }, trace.setSpan(ROOT_CONTEXT, parent)).end(ended)
    },
    async close(milliseconds) {
      const shutDown = provider.shutdown().catch(() => {})
      await Promise.race([shutDown, pause(Math.min(EXPORT_MS, milliseconds), undefined, { ref: false })])
    }
  }
}

async function load() {
  const loading = Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http')
  ])
  const [api, resources, sdk, otlp] = await loading.catch((error) => Promise.reject(refusalOf(error)))
  return { api, resources, sdk, otlp }
}

/** The same error as what to install, if something is missing. */
export function refusalOf(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') return error
  const all = Object.entries(readPackage().devDependencies)
    .filter(([name]) => name.startsWith('@opentelemetry/'))
    .map((pair) => pair.join('@'))
  return new TracingRefused(
    `OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed. Run: npm install --no-save ${all.join(' ')}`
  )
}

interface Package {
  name: string
  version: string
  devDependencies: Record<string, string>
}

function readPackage(): Package {
  return JSON.parse(readFileSync(path.join(import.meta.dirname, '../../package.json'), 'utf8'))
}

/** Tells once when spans do not arrive, until they do again. */
function telling(exporter: Exporter, log: FastifyBaseLogger): Exporter {
  let hasFailed = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== 0
        if (failed && !hasFailed)
          log.warn({ event: 'tracing_failed', reason: result.error?.message }, 'spans could not be sent')
        hasFailed = failed
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush && { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() })
  }
}
