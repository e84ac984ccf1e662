import t from 'tap'
import { buildApp } from '../helpers.ts'

t.test('GET / tells a program what is here, and every address in it answers', async (t) => {
  const server = await buildApp(t)
  const answer = await server.inject('/')
  t.match(answer.json(), { name: 'Library API', links: { docs: '/docs', openapi: '/openapi.json' } })
  t.match(answer.headers, { vary: 'Accept' })
  for (const url of Object.values<string>(answer.json().links)) {
    t.not((await server.inject(url)).statusCode, 404, url)
  }
})

t.test('GET / sends a browser on to the docs', async (t) => {
  const server = await buildApp(t)
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  t.match(await server.inject({ url: '/', headers: { accept } }), {
    statusCode: 302,
    headers: { location: '/docs' }
  })
  t.equal((await server.inject({ url: '/', headers: { accept: '*/*' } })).statusCode, 200)
})

t.test('health tells whether the process answers and whether it reaches its data', async (t) => {
  const server = await buildApp(t)
  for (const url of ['/health/live', '/health/ready']) {
    t.match(await server.inject(url), {
      statusCode: 200,
      body: '{"status":"ok"}',
      headers: { 'cache-control': 'no-store' }
    })
  }
  await server.db.destroy()
  t.equal((await server.inject('/health/live')).statusCode, 200)
  const ready = await server.inject('/health/ready')
  t.ok(ready.statusCode >= 500)
  t.match(ready.headers['content-type'], 'application/problem+json')
})

t.test('every answer has security headers and a request id of its own', async (t) => {
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

t.test('a trailing slash does no harm', async (t) => {
  const server = await buildApp(t)
  t.equal((await server.inject('/problems/')).statusCode, 200)
  t.equal((await server.inject('/authors/')).statusCode, 401)
})
