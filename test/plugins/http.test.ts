// On SQLite alone: connections and sockets, whatever database is behind them.
import { readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { AUTHOR, listen, signIn, startServer } from '../helpers.ts'
import { type Answer, answersOf, ask, open, request } from './http/sockets.ts'

const MIB = 1024 * 1024
const CLOSE = { connection: 'close' }

function codesOf(answers: Answer[]): (string | number)[] {
  return answers.map(({ status, body }) => (status < 400 ? status : JSON.parse(body).code))
}

t.test('however many requests come at once, each is answered, in order', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const body = (n: number) => JSON.stringify({ ...AUTHOR, book: `Book ${n}` })
  const json = { ...headers, 'content-type': 'application/json' }
  const round = (n: number) =>
    request('POST /authors', json, body(n)) +
    request('GET /health/live') +
    request('GET /nowhere') +
    request(`GET /authors?q=${n}&limit=1`, headers)
  const rounds = Array.from({ length: 400 }, (_, n) => n)
  const socket = await open(t, url)
  socket.write(rounds.map(round).join('') + request('DELETE /', CLOSE))
  const answers = await answersOf(socket)
  t.equal(answers.length, 4 * rounds.length + 1)
  t.strictSame(
    answers.map(({ status }) => status),
    [...rounds.flatMap(() => [201, 200, 404, 200]), 405]
  )
  for (const n of rounds) t.equal(JSON.parse(answers[4 * n]?.body ?? '').book, `Book ${n}`)
})

t.test('requests that come in any pieces are the same requests', async (t) => {
  const { url } = await listen(t)
  const bytes = request('GET /health/live').repeat(50) + request('GET /nowhere', CLOSE)
  const socket = await open(t, url)
  const answers = answersOf(socket)
  for (let at = 0; at < bytes.length; at += 97) {
    socket.write(bytes.slice(at, at + 97))
    await setImmediate()
  }
  t.strictSame(codesOf(await answers), [...Array(50).fill(200), 'ROUTE_NOT_FOUND'])
})

t.test('a body behind requests that wait is read when its turn comes', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const body = JSON.stringify({ ...AUTHOR, note: 'x'.repeat(3000) })
  const json = { ...headers, 'content-type': 'application/json' }
  const socket = await open(t, url)
  const post = request('POST /authors', json, body)
  socket.write(request('GET /problems').repeat(60) + post.slice(0, -1500))
  const answers = answersOf(socket)
  socket.write(post.slice(-1500) + request('GET /nowhere', CLOSE))
  t.strictSame(codesOf(await answers), [...Array(60).fill(200), 201, 'ROUTE_NOT_FOUND'])
})

const isLinux = process.platform === 'linux'

t.test(
  'what a client asks for and does not read takes no memory',
  { skip: !isLinux && 'no /proc' },
  async (t) => {
    // Each would be 600 MB if it were made for every request.
    const paths = ['/openapi.json', '/problems', '/docs/yaml', '/docs/static/swagger-ui.css']
    const { child, url, output } = await startServer(t, { NODE_OPTIONS: '--max-old-space-size=80' })
    for (const path of paths) {
      const sockets = await Promise.all(Array.from({ length: 8 }, () => open(t, url)))
      for (const socket of sockets) socket.pause().write(request(`GET ${path}`).repeat(1200))
      const one = (await answersOf(sockets[0] as Socket, 1))[0]
      t.equal(one?.status, 200, path)
      for (let asked = 0; asked < 5; asked++) t.equal((await fetch(`${url}/health/live`)).status, 200)
      t.ok(descriptorsOf(child.pid) < 150, `${descriptorsOf(child.pid)} descriptors`)
      for (const socket of sockets) socket.destroy()
    }
    t.ok(memoryOf(child.pid) < 400, `${memoryOf(child.pid)} MB`)
    t.equal(child.exitCode, null, output())
  }
)

function memoryOf(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

function descriptorsOf(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** The token of a user after whom a page of authors is some 2 MB long. */
async function signInWithLongNotes(server: FastifyInstance) {
  const { headers } = await signIn(server)
  const note = '\u0001'.repeat(4000)
  for (let n = 0; n < 100; n++) {
    const payload = { ...AUTHOR, book: `Book ${n}`, note }
    const { statusCode } = await server.inject({ method: 'POST', url: '/authors', headers, payload })
    t.equal(statusCode, 201)
  }
  return headers
}

const GREEDY = 200
const FEW_GREEDY = 16

t.test('long answers that nobody reads are bounded, and others are answered again soon', async (t) => {
  const { server, url } = await listen(t)
  const headers = await signInWithLongNotes(server)
  const before = process.memoryUsage().rss
  const greedy = request('GET /authors?limit=100', headers).repeat(5)
  const sockets = await Promise.all(Array.from({ length: GREEDY }, () => open(t, url)))
  const askAll = (some: Socket[]) => {
    for (const socket of some) socket.pause().write(greedy)
  }
  const isAlive = async () => (await ask(t, url, request('GET /health/live', CLOSE)))[0] as Answer
  askAll(sockets.slice(0, FEW_GREEDY))
  t.equal((await isAlive()).status, 200, 'a few do no harm')
  // All in one tick: on a slow machine the first would be cut off before the last have come.
  askAll(sockets.slice(FEW_GREEDY))
  let refused = await isAlive()
  while (refused.status === 200) refused = await isAlive()
  t.strictSame(codesOf([refused]), ['OVERLOADED'])
  t.equal(refused.headers.get('retry-after'), '1')
  t.ok(process.memoryUsage().rss - before < 400 * MIB)
  // Those who do not read for a second are cut off for those who ask.
  for (let status: number | undefined; status !== 200; )
    status = (await ask(t, url, request('GET /health/live', CLOSE)))[0]?.status
  const readAll = async () => {
    const reading = await open(t, url)
    reading.write(greedy)
    return codesOf(await answersOf(reading, 5))
  }
  // Not everybody who does not read may have been cut off yet.
  let codes: unknown[] = []
  while (codes.length < 5 || codes.includes('OVERLOADED')) codes = await readAll()
  t.strictSame(codes, Array(5).fill(200), 'who reads gets all')
})

t.test('rubbish that comes in many pieces behind a request is answered once', async (t) => {
  const { url } = await listen(t)
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const socket = await open(t, url)
  const body = JSON.stringify({ username: 'salman', password: 'the moors last sigh' })
  const fields = { 'content-type': 'application/json', 'content-length': `${body.length}` }
  socket.write(request('POST /register', fields) + body)
  for (let n = 0; n < 50; n++) {
    socket.write('rubbish\r\n')
    await setImmediate()
  }
  t.strictSame(codesOf(await answersOf(socket)), [201, 'MALFORMED_REQUEST'])
  t.strictSame(warnings, [])
})

function countOpen({ server }: FastifyInstance): Promise<number> {
  return promisify(server.getConnections.bind(server))()
}

/** Comes back when the server has so many connections. */
async function connectionsOf(server: FastifyInstance, count: number): Promise<void> {
  while ((await countOpen(server)) !== count) await setImmediate()
}

t.test('who asks for more than can wait is cut off', async (t) => {
  const { server, url } = await listen(t)
  const greedy = request('GET /docs/static/swagger-ui-bundle.js').repeat(8) + request('GET /').repeat(1500)
  const sockets = await Promise.all(Array.from({ length: 40 }, () => open(t, url)))
  await connectionsOf(server, sockets.length)
  for (const socket of sockets) socket.pause().write(greedy)
  while ((await countOpen(server)) === sockets.length) await setImmediate()
  t.ok((await countOpen(server)) > 10, 'the others are not')
  t.strictSame(codesOf(await ask(t, url, request('GET /health/live', CLOSE))), [200])
})

t.test('an answer that is not read ends its connection after a while', async (t) => {
  const { server, url } = await listen(t, { REQUEST_TIMEOUT: 1 })
  const stalled = await open(t, url)
  stalled.pause().write(request('GET /docs/static/swagger-ui-bundle.js').repeat(8))
  await connectionsOf(server, 1)
  await connectionsOf(server, 0)
  t.ok((await answersOf(stalled)).length < 8)
})

t.test('large bodies that arrive at once are bounded, and small ones go on', async (t) => {
  const { url } = await listen(t)
  const json = { 'content-type': 'application/json' }
  const begin = async (fields: Record<string, string>, bytes = '{') => {
    const socket = await open(t, url)
    socket.write(request('POST /register', { ...json, ...fields }) + bytes)
    return socket
  }
  const sockets: Socket[] = []
  for (let n = 0; n < 40; n++) {
    sockets.push(await begin({ 'content-length': '1000000' }))
    sockets.push(await begin({ 'transfer-encoding': 'chunked' }, '1\r\n{\r\n'))
  }
  const late = await begin({ 'content-length': '600000' })
  t.strictSame(codesOf(await answersOf(late)), ['OVERLOADED'])
  const body = JSON.stringify({ username: 'salman', password: 'password' })
  const small = request('POST /register', { ...json, ...CLOSE }, body)
  t.strictSame(codesOf(await ask(t, url, small)), ['VALIDATION_FAILED'])
  for (const socket of sockets) socket.destroy()
  const large = request('POST /register', { ...json, ...CLOSE }, body.padEnd(30_000))
  for (let code: unknown = 'OVERLOADED'; code !== 'VALIDATION_FAILED'; ) {
    code = codesOf(await ask(t, url, large))[0]
    t.match(code, /^(OVERLOADED|VALIDATION_FAILED)$/)
  }
})

t.test('what is no HTTP of ours is refused with the reason', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const { authorization } = headers
  const host = 'host: a\r\n'
  const get = (target: string, fields = host, version = '1.1') =>
    `GET ${target} HTTP/${version}\r\n${fields}connection: close\r\n\r\n`
  const bearer = `authorization: ${authorization}\r\n`
  const cases: [string, number, string, RegExp?][] = [
    [get('*authors', host + bearer), 400, 'MALFORMED_REQUEST', /begins with neither/],
    [get('*'), 400, 'MALFORMED_REQUEST', /begins with neither/],
    [get('*/health/live'), 400, 'MALFORMED_REQUEST', /begins with neither/],
    [get('ftp://a/health/live'), 400, 'MALFORMED_REQUEST', /begins with neither/],
    [get('http:///health/live'), 400, 'MALFORMED_REQUEST', /no address/],
    [get('http://u@a/health/live'), 400, 'MALFORMED_REQUEST', /no valid host/],
    [get('/health/live#a'), 400, 'MALFORMED_REQUEST', /%23/],
    [get('/health/live?q=%f'), 400, 'MALFORMED_REQUEST', /percent-encoding/],
    [get('/authors?country=C%e9te', host + bearer), 400, 'MALFORMED_REQUEST', /percent-encoding/],
    [get('/authors?q=a&q%=b', host + bearer), 400, 'MALFORMED_REQUEST', /percent-encoding/],
    [get('/nowhere?%ed%a0%80'), 400, 'MALFORMED_REQUEST', /percent-encoding/],
    [get('/health/live', ''), 400, 'MALFORMED_REQUEST', /no Host/],
    [get('/health/live', 'host:\r\n'), 400, 'MALFORMED_REQUEST', /Host/],
    [get('/health/live', `${host}Host: b\r\n`), 400, 'MALFORMED_REQUEST', /several Host/],
    [get('/health/live', host + host), 400, 'MALFORMED_REQUEST', /several Host/],
    [get('/health/live', 'host: a b\r\n'), 400, 'MALFORMED_REQUEST', /no host/],
    [get('/health/live', 'host: a/b\r\n'), 400, 'MALFORMED_REQUEST', /no host/],
    [get('/health/live', 'host: u@a\r\n'), 400, 'MALFORMED_REQUEST', /no host/],
    [get('/health/live', 'host: a:b\r\n'), 400, 'MALFORMED_REQUEST', /no host/],
    [get('/health/live', 'host: [::g]\r\n'), 400, 'MALFORMED_REQUEST', /no host/],
    [get('/health/live', 'host: [1:::2]\r\n'), 400, 'MALFORMED_REQUEST', /no host/],
    [get('/me', host + bearer + bearer), 400, 'MALFORMED_REQUEST', /several Authorization/],
    [get('/me', `${host}authorization: Basic YTpi\r\n${bearer}`), 400, 'MALFORMED_REQUEST', /several Auth/],
    [get('/me', `${host}authorization: Digest username="a", realm="b"\r\n`), 401, 'TOKEN_REQUIRED'],
    [get('/health/live', host, '2.0'), 400, 'MALFORMED_REQUEST', /version/],
    [get('/health/live', host, '1.2'), 400, 'MALFORMED_REQUEST'],
    [get('/health/live', `${host}transfer-encoding: chunked\r\n`, '1.0'), 400, 'MALFORMED_REQUEST', /1\.0/],
    [get('/health/live', `${host}expect: a-miracle\r\n`), 417, 'EXPECTATION_FAILED'],
    [get('/nowhere', `${host}expect: 100-continue, b\r\n`), 417, 'EXPECTATION_FAILED'],
    ['CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n', 405, 'METHOD_NOT_ALLOWED', /CONNECT/],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['TRACE / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 405, 'METHOD_NOT_ALLOWED', /TRACE/]
  ]
  for (const fields of [
    'content-length: 1\r\ncontent-length: 2',
    'content-length: 3\r\ntransfer-encoding: chunked'
  ]) {
    cases.push([`POST /register HTTP/1.1\r\nhost: a\r\n${fields}\r\n\r\n0\r\n\r\n`, 400, 'MALFORMED_REQUEST'])
  }
  for (const coding of ['gzip, chunked', 'x, chunked', 'Deflate,Chunked']) {
    const bytes = `POST /register HTTP/1.1\r\nhost: a\r\ntransfer-encoding: ${coding}\r\n\r\n0\r\n\r\n`
    cases.push([bytes, 501, 'CODING_NOT_IMPLEMENTED'])
  }
  for (const [bytes, status, code, detail = /./] of cases) {
    const answer = (await ask(t, url, bytes)).at(-1)
    t.equal(answer?.status, status, bytes)
    t.match(JSON.parse(answer?.body ?? ''), { code, status, detail }, bytes)
    t.match(answer?.headers.get('content-type'), 'application/problem+json; charset=utf-8', bytes)
    t.ok(answer?.headers.get('x-request-id'), bytes)
    if (status === 405) t.match(answer?.headers.get('allow'), /GET, HEAD/i, bytes)
  }
})

t.test('what is odd but right is taken', async (t) => {
  const { url } = await listen(t)
  const hosts = [
    'a',
    'A.example:3000',
    '127.0.0.1:',
    '[::1]',
    '[2001:DB8::1]:80',
    'a_b',
    '%41.example',
    "a!$&'()*+;=b"
  ]
  for (const host of hosts) {
    const [answer] = await ask(t, url, request('GET /health/live', { host, ...CLOSE }))
    t.equal(answer?.status, 200, host)
  }
  const lines = [
    'GET http://a/health/live',
    'GET HTTPS://[::1]:80/health/live',
    'GET /health/live?',
    'GET /problems/%6eot-owner'
  ]
  for (const line of lines) t.equal((await ask(t, url, request(line, CLOSE)))[0]?.status, 200, line)
  const [asterisk] = await ask(t, url, request('OPTIONS *', CLOSE))
  t.equal(asterisk?.status, 204)
  t.match(asterisk?.headers.get('allow'), /GET, HEAD, OPTIONS/i)
  t.equal((await ask(t, url, 'GET /health/live HTTP/1.0\r\n\r\n'))[0]?.status, 200, 'HTTP/1.0 has no Host')
  const upgrade = { connection: 'upgrade, close', upgrade: 'websocket' }
  t.equal(
    (await ask(t, url, request('GET /health/live', upgrade)))[0]?.status,
    200,
    'an upgrade is not taken up'
  )
  const chunked = {
    'transfer-encoding': 'Chunked',
    'content-type': 'application/json',
    expect: '100-Continue',
    ...CLOSE
  }
  const answers = await ask(t, url, `${request('POST /register', chunked)}2\r\n{}\r\n0\r\n\r\n`)
  t.strictSame(codesOf(answers), [100, 'VALIDATION_FAILED'])
})

t.test('CONNECT is refused after the answers to what came before, and its client may go', async (t) => {
  const { server, url } = await listen(t)
  const connect = 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n'
  const answers = await ask(t, url, request('GET /problems').repeat(30) + connect)
  t.strictSame(codesOf(answers), [...Array(30).fill(200), 'METHOD_NOT_ALLOWED'])
  const socket = await open(t, url)
  socket.write(request('GET /problems').repeat(30) + connect)
  socket.resetAndDestroy()
  await connectionsOf(server, 0)
  t.equal((await server.inject('/health/live')).statusCode, 200)
})
