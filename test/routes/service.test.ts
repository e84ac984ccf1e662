import type { Config } from '../../config.ts'
import { routesOf, wholeDocument } from '../../scripts/fuzz/document.ts'
import { engineOf, loseDatabase, test } from '../engines.ts'
import { buildApp, holdWriting, signIn } from '../helpers.ts'

test('GET / tells a program what is here, and every address in it answers', async (t) => {
  const server = await buildApp(t)
  const answer = await server.inject('/')
  t.match(answer.json(), { name: 'Library API', links: { docs: '/docs', openapi: '/openapi.json' } })
  t.match(answer.headers, { vary: 'Accept' })
  for (const url of Object.values<string>(answer.json().links)) {
    t.not((await server.inject(url)).statusCode, 404, url)
  }
})

test('GET / sends a browser on to the docs', async (t) => {
  const server = await buildApp(t)
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  t.match(await server.inject({ url: '/', headers: { accept } }), {
    statusCode: 302,
    headers: { location: '/docs' }
  })
  t.equal((await server.inject({ url: '/', headers: { accept: '*/*' } })).statusCode, 200)
})

test('health tells whether the process answers and whether it reaches its data', async (t) => {
  const server = await buildApp(t)
  for (const url of ['/health/live', '/health/ready']) {
    t.match(await server.inject(url), {
      statusCode: 200,
      body: '{"status":"ok"}',
      headers: { 'cache-control': 'no-store' }
    })
  }
  await loseDatabase(server.config.DATABASE_URL)
  t.equal((await server.inject('/health/live')).statusCode, 200)
  const ready = await server.inject('/health/ready')
  t.equal(ready.statusCode, 503)
  t.match(ready.headers['content-type'], 'application/problem+json')
})

test('a process whose writes wait for those of others is ready, until they fail', async (t) => {
  const server = await buildApp(t)
  const other = await holdWriting(t, server)
  const status = async () => (await server.inject('/health/ready')).statusCode
  const begun = performance.now()
  t.strictSame(await Promise.all([status(), status()]), [200, 200])
  t.ok(performance.now() - begun < 1500, 'a balancer that waits for two seconds has its answer')
  if (engineOf(t) === 'sqlite') {
    while ((await status()) === 200);
    t.equal(await status(), 503, 'also while the next attempt waits')
  }
  await other.exec('rollback')
  while ((await status()) === 503);
})

test('every answer has security headers and a request id of its own', async (t) => {
  const server = await buildApp(t)
  const ids = new Set()
  for (const url of ['/', '/authors', '/nowhere', '/authors/%zz', '/docs', '/openapi.json']) {
    const { headers } = await server.inject(url)
    t.match(headers['x-request-id'], /^[0-9a-f-]{36}$/, url)
    ids.add(headers['x-request-id'])
    if (url !== '/authors/%zz')
      t.match(headers, {
        'x-content-type-options': 'nosniff',
        'content-security-policy': /default-src 'none'/
      })
    t.notMatch(JSON.stringify(headers), /fastify|x-powered-by/i)
  }
  t.equal(ids.size, 6)
})

test('HSTS is sent over TLS alone, and to subdomains only when asked for', async (t) => {
  const field = async (overrides: Partial<Config>, proto?: string, remoteAddress = '10.0.0.9') => {
    const server = await buildApp(t, overrides)
    const headers = proto === undefined ? {} : { 'x-forwarded-proto': proto }
    const fields = []
    for (const url of ['/', '/nowhere', '/docs'])
      fields.push((await server.inject({ url, headers, remoteAddress })).headers['strict-transport-security'])
    t.equal(new Set(fields).size, 1, 'all answers have the same')
    return fields[0]
  }
  const TRUST_PROXY = '10.0.0.9'
  t.equal(await field({ TRUST_PROXY }, 'https'), 'max-age=31536000')
  t.equal(await field({ TRUST_PROXY, HSTS: 'subdomains' }, 'HTTPS'), 'max-age=31536000; includeSubDomains')
  t.equal(await field({ TRUST_PROXY, HSTS: 'off' }, 'https'), undefined)
  t.equal(await field({ TRUST_PROXY }, 'http'), undefined)
  t.equal(await field({ TRUST_PROXY }), undefined)
  t.equal(await field({ TRUST_PROXY }, 'https', '10.0.0.8'), undefined, 'of a stranger')
  t.equal(await field({}, 'https'), undefined)
  t.equal(await field({ HSTS: 'subdomains' }), undefined)
})

test('a trailing slash does no harm', async (t) => {
  const server = await buildApp(t)
  t.equal((await server.inject('/problems/')).statusCode, 200)
  t.equal((await server.inject('/authors/')).statusCode, 401)
})

test('CORS is off until origins are named, and then for these alone', async (t) => {
  const origin = 'https://app.example.org'
  const preflight = {
    origin,
    'access-control-request-method': 'PUT',
    'access-control-request-headers': 'authorization'
  }
  const silent = await buildApp(t)
  for (const method of ['GET', 'OPTIONS'] as const) {
    const answer = await silent.inject({ method, url: '/authors', headers: preflight })
    t.notMatch(Object.keys(answer.headers).join(), /access-control/)
  }
  const server = await buildApp(t, { CORS_ORIGINS: `https://other.example, ${origin}` })
  const allowed = await server.inject({ method: 'OPTIONS', url: '/authors', headers: preflight })
  t.match(allowed, {
    statusCode: 204,
    headers: {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': /PUT/,
      'access-control-max-age': '600'
    }
  })
  const get = await server.inject({ url: '/authors', headers: { origin } })
  t.match(get.headers, { 'access-control-allow-origin': origin, 'access-control-expose-headers': /ETag/ })
  t.notOk(get.headers['access-control-allow-credentials'])
  const vary = String(get.headers.vary).split(', ').sort()
  t.strictSame(vary, ['Authorization', 'Origin'], 'a cache must look at both')
  const stranger = await server.inject({ url: '/authors', headers: { origin: 'https://evil.example' } })
  t.notOk(stranger.headers['access-control-allow-origin'])
  t.match(await server.inject({ method: 'OPTIONS', url: '/authors' }), {
    statusCode: 204,
    headers: { allow: /GET/ }
  })
  t.equal((await server.inject({ method: 'OPTIONS', url: '/nowhere' })).statusCode, 404)
  t.equal((await server.inject({ method: 'PATCH', url: '/authors' })).statusCode, 405)
})

/** What every page may read or send without being let (https://fetch.spec.whatwg.org), and what is for proxies and clients. */
const OPEN = ['cache-control', 'vary', 'trailer', 'x-accel-buffering']

test('a page of a named origin may send and read all headers that the document has', async (t) => {
  const origin = 'https://app.example.org'
  const server = await buildApp(t, { CORS_ORIGINS: origin })
  const document = wholeDocument((await server.inject('/openapi.json')).json())
  const operations = routesOf(document).map(({ operation }) => operation)
  const read = operations.flatMap(({ responses }) =>
    Object.values(responses).flatMap(({ headers = {} }) => Object.keys(headers))
  )
  const sent = operations.flatMap(({ parameters = [] }) =>
    parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name)
  )
  const sorted = (names: string[]) => [...new Set(names.map((name) => name.toLowerCase()))].sort()
  const listOf = (value: unknown) => sorted(String(value).split(', '))
  const { headers } = await server.inject({ url: '/authors', headers: { origin } })
  t.strictSame(
    listOf(headers['access-control-expose-headers']),
    sorted([...read, 'allow']).filter((name) => !OPEN.includes(name))
  )
  const preflight = await server.inject({
    method: 'OPTIONS',
    url: '/changes/stream',
    headers: {
      origin,
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'last-event-id'
    }
  })
  t.strictSame(
    listOf(preflight.headers['access-control-allow-headers']),
    sorted([...sent, 'authorization', 'content-type'])
  )
})

test('the docs can be switched off', async (t) => {
  const server = await buildApp(t, { DOCS: 'off' })
  for (const url of ['/docs', '/docs/json', '/openapi.json'])
    t.equal((await server.inject(url)).statusCode, 404, url)
  const root = await server.inject({ url: '/', headers: { accept: 'text/html' } })
  t.equal(root.statusCode, 200)
  t.strictSame(Object.keys(root.json().links), ['problems', 'register', 'login', 'authors'])
})

test('what is for one bearer is not for others, and what has tokens is never stored', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  t.match((await server.inject({ url: '/authors', headers })).headers, {
    vary: 'Authorization',
    'cache-control': 'private, no-cache'
  })
  for (const url of ['/me', '/me/sessions', '/me/keys']) {
    t.match(
      (await server.inject({ url, headers })).headers,
      { vary: 'Authorization', 'cache-control': 'no-store' },
      url
    )
  }
})
