// On SQLite alone: addresses, whatever database is behind them.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, request as forward, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { loadConfig } from '../../config.ts'
import { AUTHOR, basic, buildApp, listen, PASSWORD, ROOT, signIn, temporaryFolder } from '../helpers.ts'
import { ask } from './http/sockets.ts'

const NAMED = { TRUST_PROXY: 'loopback' }

interface Proxy {
  /** What it serves the service below. */
  path: string
  /** Whether it takes that off the addresses. */
  strips: boolean
  headers?: IncomingHttpHeaders
}

/** A proxy as others are, on a socket of its own; gives the address below which the service is. */
async function proxy(t: Test, service: string, { path, strips, headers = {} }: Proxy): Promise<string> {
  const server = createServer((request, response) => {
    const { method, url = '', headers: own } = request
    const target = service + (strips ? url.slice(path.length) : url)
    const passed = forward(target, { method, headers: { ...own, ...headers }, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response, { end: false })
      answer.once('end', () => {
        response.addTrailers(answer.trailers as Record<string, string>)
        response.end()
      })
    })
    request.pipe(passed)
    response.once('close', () => passed.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
}

/** Every path in a JSON value that leads to the service. */
function pathsIn(value: unknown, place = ''): string[] {
  if (typeof value === 'string') return /^\/(?!\/)/.test(value) && place !== 'pointer' ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => pathsIn(inner, name))
}

/** What a client meets below `base`: every path that it is given begins so, and leads somewhere. */
async function walk(t: Test, base: string) {
  const { origin, pathname } = new URL(base)
  const username = `user${Math.random().toString(36).slice(2)}`
  const seen: string[] = []
  const send = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(base + path, { redirect: 'manual', ...init })
    const text = await answer.text()
    const json = /json/.test(answer.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined
    const { location, link } = Object.fromEntries(answer.headers)
    const linked = /^<(.*)>/.exec(link ?? '')?.[1]
    if (path !== '/openapi.json') seen.push(...pathsIn(json), ...[location ?? [], linked ?? []].flat())
    return { answer, text, json }
  }
  const post = (path: string, body: object, headers = {}) =>
    send(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers }
    })

  await post('/register', { username, password: PASSWORD })
  const login = await send('/login', {
    method: 'POST',
    headers: { authorization: basic(username, PASSWORD) }
  })
  const headers = { authorization: `Bearer ${login.json.access_token}` }
  for (const book of ['Kim', 'Puck']) await post('/authors', { ...AUTHOR, book }, headers)
  await post('/authors', { ...AUTHOR, book: 'Kim' }, headers)
  await post('/me/keys', { name: 'a', scope: 'read' }, headers)
  const lists = ['/authors?limit=1', '/authors?limit=1&owner=me', '/changes?limit=1', '/users?limit=1']
  for (const list of lists) await send(list, { headers })
  await send('/authors/salman-rushdie/history', { headers })
  for (const path of ['/', '/problems', '/problems/not-owner', '/author', '/authors/x', '/me'])
    await send(path)
  await send('/', { headers: { accept: 'text/html' } })

  t.ok(seen.length > 20)
  for (const path of seen) {
    t.ok(path.startsWith(`${pathname}/`) && !path.startsWith(`${pathname}${pathname}/`), path)
    t.not((await fetch(origin + path, { headers })).status, 404, path)
  }
  t.match(
    (await send('/author')).json.detail,
    `nothing at ${pathname}/author; the nearest address is ${pathname}/authors`
  )
  const other = { ...AUTHOR, book: `The book of ${username}` }
  const created = await post('/authors', other, headers)
  t.match(created.answer.headers.get('location'), `${pathname}/authors/`)
  t.match((await post('/authors', other, headers)).json.detail, `: ${pathname}/authors/salman-rushdie`)
  await documents(t, base, pathname)
}

async function documents(t: Test, base: string, pathname: string) {
  const page = await (await fetch(`${base}/docs`)).text()
  const assets = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address as string)
  t.ok(assets.length > 4)
  for (const asset of assets) t.equal((await fetch(new URL(asset, `${base}/docs`))).status, 200, asset)
  const index = await fetch(`${base}/docs/static/index.html`, { redirect: 'manual' })
  t.equal(index.headers.get('location'), `${pathname}/docs/`)
  for (const path of ['/openapi.json', '/docs/json']) {
    const { servers } = (await (await fetch(base + path)).json()) as { servers: { url: string }[] }
    t.equal(servers[0]?.url, pathname, path)
  }
  t.match(await (await fetch(`${base}/docs/yaml`)).text(), `\nservers:\n  - url: ${pathname}\n`)
  const tagged = await fetch(`${base}/docs/json`)
  const again = await fetch(`${base}/docs/json`, {
    headers: { 'if-none-match': `W/${tagged.headers.get('etag')}` }
  })
  t.equal(again.status, 304)
}

t.test('below BASE_PATH all works, whether the proxy takes it off or not', async (t) => {
  const { url } = await listen(t, { BASE_PATH: '/catalogue/v1/', RATE_LIMIT: 'off' })
  for (const strips of [true, false])
    await t.test(`strips: ${strips}`, async (t) =>
      walk(t, await proxy(t, url, { path: '/catalogue/v1', strips }))
    )
})

t.test('below the X-Forwarded-Prefix of a trusted proxy all works, and each has its own', async (t) => {
  const { url } = await listen(t, { ...NAMED, RATE_LIMIT: 'off' })
  for (const [path, strips, header] of [
    ['/b%C3%BCcher', true, '/b%C3%BCcher/'],
    ['/shelf', false, '/shelf'],
    ['/authors', true, '/authors'],
    ['/shelf/two', true, ' /shelf/two ']
  ] as const)
    await t.test(path, async (t) =>
      walk(t, await proxy(t, url, { path, strips, headers: { 'x-forwarded-prefix': header } }))
    )
})

/** What `next`, `Link` and a redirect say to a request with these headers. */
async function pathsFor(url: string, authorization: string, headers: Record<string, string>) {
  const page = await fetch(`${url}/authors?limit=1`, { headers: { authorization, ...headers } })
  const { next } = (await page.json()) as { next: string }
  const docs = await fetch(url, { redirect: 'manual', headers: { accept: 'text/html', ...headers } })
  return { next, link: page.headers.get('link'), location: docs.headers.get('location') }
}

async function filled(t: Test, config: object) {
  const { server, url } = await listen(t, config)
  const { headers } = await signIn(server)
  for (const book of ['Grimus', 'Fury'])
    await server.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, book } })
  return { server, url, authorization: headers.authorization }
}

t.test('a prefix that is no plain path, or of a stranger, changes nothing', async (t) => {
  const trusting = await filled(t, NAMED)
  const odd = [
    ...['//evil.example', '/\\evil.example', 'https://evil.example', 'evil', '/a//b', '/a/../b', '/..', '/.'],
    ...[
      '/a/%2e%2e/b',
      '/%2F%2Fevil.example',
      '/a?b',
      '/a#b',
      '/a"b',
      '/<b>',
      "/a'b",
      '/a;b',
      '/a b',
      '/%',
      '/%e9'
    ],
    ...[
      '/a\tb',
      '/a%0d%0ab',
      '/a%00',
      '/@evil.example',
      '/:80',
      `/${'a'.repeat(200)}`,
      '/a/..',
      '/a,/b//',
      '/\xe9'
    ]
  ]
  const plain = await pathsFor(trusting.url, trusting.authorization, {})
  t.match(plain, { next: /^\/authors\?/, link: /^<\/authors\?/, location: '/docs' })
  for (const prefix of odd)
    t.strictSame(
      await pathsFor(trusting.url, trusting.authorization, { 'x-forwarded-prefix': prefix }),
      plain,
      prefix
    )
  const wary = await filled(t, { TRUST_PROXY: '10.0.0.0/8' })
  for (const config of [wary, await filled(t, {})])
    t.match(await pathsFor(config.url, config.authorization, { 'x-forwarded-prefix': '/shelf' }), {
      next: /^\/authors\?/,
      location: '/docs'
    })
})

t.test('of several prefixes those count that trusted proxies have added', async (t) => {
  const { url, authorization } = await filled(t, { TRUST_PROXY: 'loopback, 10.0.0.0/8', BASE_PATH: '/own' })
  const at = async (headers: Record<string, string>) => (await pathsFor(url, authorization, headers)).location
  t.equal(await at({ 'x-forwarded-prefix': '/made-up, /shelf' }), '/shelf/docs', 'one proxy')
  const two = { 'x-forwarded-for': '192.0.2.7, 10.1.2.3' }
  t.equal(await at({ ...two, 'x-forwarded-prefix': '/made-up, /outer/, /inner' }), '/outer/inner/docs')
  t.equal(await at({ 'x-forwarded-prefix': '/' }), '/docs', 'the root is a path too')
  t.equal(await at({ 'x-forwarded-prefix': '' }), '/own/docs', 'an empty one is none')
  t.equal(await at({ 'x-forwarded-prefix': `${'/a'.repeat(60)}` }), `${'/a'.repeat(60)}/docs`)
})

t.test('what is kept has no prefix: each who asks gets their own', async (t) => {
  const { url, authorization } = await filled(t, NAMED)
  for (const prefix of ['/one', '/two', '', '/one'])
    t.match(await pathsFor(url, authorization, { 'x-forwarded-prefix': prefix }), {
      next: new RegExp(`^${prefix}/authors\\?`),
      link: new RegExp(`^<${prefix}/authors\\?`)
    })
  const create = async (prefix: string) => {
    const answer = await fetch(`${url}/authors`, {
      method: 'POST',
      body: JSON.stringify({ ...AUTHOR, book: 'Shame' }),
      headers: {
        authorization,
        'content-type': 'application/json',
        'idempotency-key': 'shame',
        'x-forwarded-prefix': prefix
      }
    })
    return [answer.status, answer.headers.get('location')]
  }
  for (const prefix of ['/one', '/two', ''])
    t.strictSame(await create(prefix), [201, `${prefix}/authors/salman-rushdie-3`])
})

t.test('the path is taken off once, whole, and off an address with its origin too', async (t) => {
  const server = await buildApp(t, { BASE_PATH: '/shelf' })
  for (const [url, status] of [
    ['/shelf', 200],
    ['/shelf/', 200],
    ['/shelf?x=1', 400],
    ['http://library.example/shelf/problems', 200],
    ['http://library.example/shelf', 200],
    ['http://library.example/problems', 200],
    ['/problems', 200],
    ['/shelf/shelf/problems', 404],
    ['/shelfproblems', 404],
    ['/shelf//evil.example', 404]
  ] as const)
    t.equal((await server.inject(url)).statusCode, status, url)
})

t.test('what is refused before there is a request has the path too', async (t) => {
  const { url } = await listen(t, { BASE_PATH: '/shelf' })
  for (const bytes of ['nonsense\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n']) {
    const [answer] = await ask(t, url, bytes)
    t.match(JSON.parse(answer?.body ?? '').type, /^\/shelf\/problems\/m/)
  }
})

t.test('the command moves authors by an address with a path', async (t) => {
  const { url, authorization } = await filled(t, NAMED)
  const below = await proxy(t, url, {
    path: '/shelf',
    strips: true,
    headers: { 'x-forwarded-prefix': '/shelf' }
  })
  const folder = temporaryFolder(t)
  const command = async (...words: string[]) => {
    const env = { ...process.env, LIBRARY_TOKEN: authorization.replace('Bearer ', '') }
    const options = [path.join(ROOT, 'scripts/authors.ts'), ...words, '--url', `${below}/`]
    return (await promisify(execFile)(process.execPath, options, { env, cwd: folder })).stderr
  }
  await command('export', 'authors.csv')
  t.equal(readFileSync(path.join(folder, 'authors.csv'), 'utf8').split('\n').length, 4)
  await command('import', 'authors.csv')
})

t.test('an import tells its problems below the path', async (t) => {
  const server = await buildApp(t, { BASE_PATH: '/shelf' })
  const { headers } = await signIn(server)
  const answer = await server.inject({
    method: 'POST',
    url: '/authors/import',
    payload: '{}',
    headers: { ...headers, 'content-type': 'application/x-ndjson', accept: 'text/event-stream' }
  })
  t.match(answer.body, '"type":"/shelf/problems/import-refused"')
})

t.test('BASE_PATH is a plain path, and none that the service has itself', async (t) => {
  for (const BASE_PATH of ['', '/', '/library', '/library/', '/a/b-c/d.e_f~', '/b%C3%BCcher', '/.well'])
    t.equal(loadConfig({ BASE_PATH }).BASE_PATH, BASE_PATH)
  for (const BASE_PATH of [
    'library',
    '//a',
    '/a//b',
    '/a/../b',
    '/a?',
    'http://a',
    '/ a',
    '/a\n',
    '/b%fc',
    '//'
  ])
    t.throws(() => loadConfig({ BASE_PATH }), {
      name: 'ConfigRefused',
      message: `BASE_PATH is ${JSON.stringify(BASE_PATH)}, but must be empty, or the path below which your proxy has the service, such as /library.`
    })
  for (const BASE_PATH of ['/authors', '/docs/', '/.well-known/x'])
    await t.rejects(buildApp(t, { BASE_PATH }), {
      name: 'ConfigRefused',
      message: `BASE_PATH is "${BASE_PATH}"`
    })
})
