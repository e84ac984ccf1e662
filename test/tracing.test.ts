/** Spans, as a collector on 127.0.0.1 gets them. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { refusalOf } from '../plugins/tracing/tracer.ts'
import { AUTHOR, buildApp, ROOT, signIn, temporaryFolder } from './helpers.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: { key: string; value: { stringValue?: string; intValue?: number } }[]
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

/** A collector that takes OTLP as JSON over HTTP, and what it was sent. */
async function collect(t: Test) {
  const spans: Span[] = []
  const resources: Record<string, string | undefined>[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
      resources.push(attributesOf(resource))
      for (const { spans: some } of scopeSpans) spans.push(...some)
    }
    response.setHeader('content-type', 'application/json').end('{}')
  })
  t.teardown(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, resources }
}

function attributesOf({ attributes }: Pick<Span, 'attributes'>): Record<string, string | undefined> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue?.toString()])
  )
}

t.test('of requests that come together each has its own writes in its span', async (t) => {
  const { url: endpoint, spans } = await collect(t)
  const server = await buildApp(t, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const logIn = async (_: unknown, user: number) => {
    const authorization = `Basic ${Buffer.from(`user${user}:of nobody`).toString('base64')}`
    return (await fetch(`${url}/login`, { method: 'POST', headers: { authorization } })).status
  }
  const times = Array.from({ length: 8 })
  // With connections that are open already they come together.
  await Promise.all(times.map(async () => (await fetch(`${url}/health/live`)).text()))
  t.strictSame(await Promise.all(times.map(logIn)), Array(8).fill(401))
  await server.close()
  const requests = spans.filter(({ name }) => name === 'POST /login')
  const writesIn = ({ spanId }: Span) => spans.filter(({ parentSpanId }) => parentSpanId === spanId).length
  const counts = requests.map(writesIn)
  t.equal(counts.length, 8)
  t.ok(
    counts.every((count) => count > 0 && count === counts[0]),
    counts.join()
  )
})

t.test(
  'a request is a span of its caller’s trace, with the wait and the commit of its write inside',
  async (t) => {
    const { url: endpoint, spans, resources } = await collect(t)
    const server = await buildApp(t, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
    const url = await server.listen({ host: '127.0.0.1', port: 0 })
    const { headers } = await signIn(server)
    const traceparent = `00-${TRACE}-${PARENT}-01`
    await fetch(`${url}/authors`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', traceparent },
      body: JSON.stringify(AUTHOR)
    })
    await fetch(`${url}/authors/salman-rushdie?tip=hidden`, { headers: { ...headers, traceparent: 'odd' } })
    await fetch(`${url}/nowhere/hidden`)
    await server.close()

    const [request] = spans.filter(({ name }) => name === 'POST /authors') as [Span]
    t.match(request, { traceId: TRACE, parentSpanId: PARENT, kind: 2 })
    t.match(attributesOf(request), {
      'http.request.method': 'POST',
      'http.route': '/authors',
      'http.response.status_code': '201'
    })
    const inside = (span: Span) => spans.filter(({ parentSpanId }) => parentSpanId === span.spanId)
    const [write] = inside(request) as [Span]
    t.match(write, { name: 'write createAuthor', traceId: TRACE })
    const [wait, commit] = inside(write) as [Span, Span]
    t.match([wait, commit], [{ name: 'wait' }, { name: 'commit' }])
    t.ok(BigInt(wait.startTimeUnixNano) <= BigInt(commit.startTimeUnixNano))
    t.ok(BigInt(commit.endTimeUnixNano) <= BigInt(request.endTimeUnixNano) + 1_000_000n)
    const [refused] = spans.filter(({ name }) => name === 'GET /authors/:author') as [Span]
    t.ok(refused.traceId !== TRACE && refused.traceId.length === 32)
    t.match(attributesOf(refused), { 'http.response.status_code': '400' })
    t.ok(spans.some(({ name, parentSpanId }) => name === 'GET' && !parentSpanId))
    t.match(resources[0], { 'service.name': 'library-api', 'service.version': /^\d+\.\d+\.\d+/ })
    t.notMatch(JSON.stringify(spans), /hidden|salman|Rushdie/)
  }
)

t.test('a collector that is down harms no request, and not the end', async (t) => {
  const { url: endpoint } = await collect(t)
  const gone = new URL(endpoint)
  gone.port = '9'
  const server = await buildApp(t, { OTEL_EXPORTER_OTLP_ENDPOINT: gone.origin, SHUTDOWN_TIMEOUT: 1 })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const statuses = await Promise.all(
    Array.from({ length: 50 }, async () => (await fetch(`${url}/health/live`)).status)
  )
  t.strictSame(new Set(statuses), new Set([200]))
  const begun = performance.now()
  await server.close()
  t.ok(performance.now() - begun < 5000)
})

t.test('without an endpoint nothing of OpenTelemetry is loaded, and with one it is', async (t) => {
  const script = `
    const { registerHooks } = await import('node:module')
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    const { default: Fastify } = await import('fastify')
    const { app, serverOptions } = await import('./app.ts')
    const { loadConfig } = await import('./config.ts')
    const config = loadConfig(process.env)
    const server = Fastify(serverOptions(config))
    await server.register(app, { config })
    await server.close()
    console.log(loaded.length > 50, loaded.some((url) => url.includes('opentelemetry')))`
  const run = async (endpoint: string) => {
    const env = {
      ...process.env,
      LOG_LEVEL: 'silent',
      DATABASE_URL: `${temporaryFolder(t)}/library.db`,
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint
    }
    const args = ['-e', script]
    return (await promisify(execFile)(process.execPath, args, { cwd: ROOT, env })).stdout
  }
  t.equal(await run(''), 'true false\n')
  t.equal(await run('http://127.0.0.1:9'), 'true true\n')
})

t.test('what is missing is told with what to install', async (t) => {
  const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  t.match(refusalOf(missing), {
    name: 'TracingRefused',
    message: /is not installed\. Run: npm install --no-save (@opentelemetry\/[\w-]+@\d+\.\d+\.\d+ ?){4,}$/
  })
  const broken = new SyntaxError('Unexpected token')
  t.equal(refusalOf(broken), broken)
})
