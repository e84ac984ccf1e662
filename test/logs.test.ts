/** What the log tells of requests and of what people do, and what it never tells. */
import { once } from 'node:events'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { app, serverOptions } from '../app.ts'
import { type Config, loadConfig } from '../config.ts'
import { requestLogger } from '../plugins/http/request-logger.ts'
import { COMMANDS } from '../scripts/user/commands.ts'
import { newDatabase } from './engines.ts'
import { AUTHOR, basic, signIn } from './helpers.ts'
import { answersOf, ask, open, request } from './plugins/http/sockets.ts'

interface Line extends Record<string, unknown> {
  event?: string
}

/** A listening service, and its log; `told` waits for so many lines of an event. */
async function logged(t: Test, overrides: Partial<Config> = {}) {
  const lines: Line[] = []
  const texts: string[] = []
  let hear = () => {}
  const stream = {
    write(text: string) {
      texts.push(text)
      lines.push(JSON.parse(text))
      hear()
    }
  }
  const config = { ...loadConfig({}), DATABASE_URL: await newDatabase(t), ...overrides }
  const options = serverOptions(config)
  const server = Fastify({ ...options, logger: { ...(options.logger as object), stream } }) as FastifyInstance
  t.teardown(() => server.close())
  await server.register(app, { config })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })

  async function told(event: string, count: number): Promise<Line[]> {
    const found = () => lines.filter((line) => line.event === event)
    while (found().length < count) await new Promise<void>((resolve) => (hear = resolve))
    return found()
  }
  return { server, url, told, lines, text: () => texts.join('') }
}

t.test('the logger of a request is as good as one of its own', async (t) => {
  const { server, lines } = await logged(t)
  const log = requestLogger(server.log, { reqId: 'here' }, {})
  t.equal(log.level, server.log.level)
  log.debug('not so much')
  log.level = 'trace'
  for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const)
    log[level]('one')
  log.child({ part: 'inner' }).info({ event: 'two' }, 'with %s', 'more')
  const own = lines.filter(({ reqId }) => reqId === 'here')
  t.match(own, [
    ...[60, 50, 40, 30, 20, 10].map((level) => ({ level, msg: 'one' })),
    { level: 30, msg: 'with more', event: 'two', part: 'inner' }
  ])
  t.equal(own.length, 7)
})

t.test('a request that has nothing to tell makes no logger', async (t) => {
  const { server } = await logged(t)
  const { headers } = await signIn(server)
  let made = 0
  const { child } = server.log
  server.log.child = (...childOf: Parameters<typeof child>) => {
    made += 1
    return child.apply(server.log, childOf)
  }
  await server.inject({ url: '/authors', headers })
  t.equal(made, 0)
  await server.inject({ method: 'POST', url: '/logout', headers })
  t.equal(made, 1)
})

const MALFORMED = 'GET / HTTP/1.1\r\nhost x\r\n\r\n'

t.test('with ACCESS_LOG each request is one line, with the template of its route', async (t) => {
  const { server, url, told, text } = await logged(t, { ACCESS_LOG: 'on' })
  const { id, headers } = await signIn(server)
  const created = await fetch(`${url}/authors`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(AUTHOR)
  })
  const author = await created.text()
  const { slug } = JSON.parse(author)
  const head = await fetch(`${url}/authors/${slug}`, { method: 'HEAD', headers })
  await fetch(`${url}/no/${slug}/hidden?tip=hidden`)
  await fetch(`${url}/authors/%zz-hidden`)
  await fetch(`${url}/authors/${slug}`, {
    headers: { ...headers, 'if-none-match': head.headers.get('etag') ?? '' }
  })
  const requests = await told('request', 5)
  const reqId = (answer: Response) => answer.headers.get('x-request-id')
  t.match(requests, [
    {
      level: 30,
      method: 'POST',
      route: '/authors',
      status: 201,
      ms: Number,
      bytes: Buffer.byteLength(author),
      address: '127.0.0.1',
      user_id: id,
      auth: 'token',
      reqId: reqId(created)
    },
    { method: 'HEAD', route: '/authors/:author', status: 200, bytes: 0, user_id: id, reqId: reqId(head) },
    { method: 'GET', status: 404 },
    { method: 'GET', status: 400, address: '127.0.0.1', reqId: /-/ },
    { method: 'GET', route: '/authors/:author', status: 304, bytes: 0 }
  ])
  t.notMatch(text(), /hidden/)
  t.notOk(text().includes(slug), 'nor which author')
})

t.test('a request that is no HTTP, is late, or is cut off has its line too', async (t) => {
  const { server, url, told } = await logged(t, { ACCESS_LOG: 'on', REQUEST_TIMEOUT: 1 })
  await ask(t, url, MALFORMED)
  await ask(t, url, 'CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n')
  t.match(await told('request', 2), [
    { status: 400, address: '127.0.0.1', reqId: /-/ },
    { method: 'CONNECT', status: 405, address: '127.0.0.1', reqId: /-/ }
  ])

  const { id, headers } = await signIn(server)
  const leaving = await open(t, url)
  leaving.write(request('GET /changes/stream', headers))
  await once(leaving, 'data')
  leaving.destroy()
  t.match((await told('request', 3))[2], {
    route: '/changes/stream',
    status: 200,
    cut_off: true,
    user_id: id,
    address: '127.0.0.1',
    bytes: Number
  })

  const slow = await open(t, url)
  slow.write(
    'POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{'
  )
  t.match(await answersOf(slow), [{ status: 408 }])
  const [late, ...more] = (await told('request', 4)).slice(3)
  t.match(late, { method: 'POST', route: '/register', status: 408 })
  t.strictSame(more, [])
})

t.test('requests that come at once on one connection have a line each, with their own bytes', async (t) => {
  const { url, told } = await logged(t, { ACCESS_LOG: 'on' })
  const socket = await open(t, url)
  socket.write(request('GET /health/live').repeat(3) + request('GET /authors'))
  await answersOf(socket, 4)
  const requests = await told('request', 4)
  t.equal(new Set(requests.map(({ reqId }) => reqId)).size, 4)
  const [first, ...others] = requests.map(({ bytes }) => bytes)
  t.strictSame(others.slice(0, 2), [first, first])
})

t.test('the lines tell the client’s own address behind a proxy', async (t) => {
  const { url, told } = await logged(t, { ACCESS_LOG: 'on', TRUST_PROXY: 'loopback' })
  const headers = { 'x-forwarded-for': '203.0.113.77' }
  await fetch(`${url}/health/live`, { headers })
  await fetch(`${url}/nowhere`, { headers })
  t.match(await told('request', 2), [{ address: '203.0.113.77' }, { address: '203.0.113.77' }])
})

t.test('without ACCESS_LOG, or where the level leaves it out, there are no lines of requests', async (t) => {
  for (const settings of [{}, { ACCESS_LOG: 'on', LOG_LEVEL: 'warn' }] as const) {
    const { url, lines } = await logged(t, settings)
    await fetch(`${url}/health/live`)
    await ask(t, url, MALFORMED)
    t.strictSame(
      lines.filter(({ event }) => event === 'request'),
      []
    )
  }
})

t.test('files, deletions and restores have events, with their counts and who did it', async (t) => {
  const { server, url, told, lines } = await logged(t)
  const { id, headers } = await signIn(server)
  const send = (route: string, type: string, body: string) =>
    fetch(`${url}${route}`, { method: 'POST', headers: { ...headers, 'content-type': type }, body })
  const rows = ['Amos Oz', 'Han Kang'].map((name) => JSON.stringify({ name }))
  await send('/authors/import?mode=partial', 'application/x-ndjson', [...rows, '{}'].join('\n'))
  await send('/authors/import', 'application/x-ndjson', '{}')
  await (await fetch(`${url}/authors/export`, { headers })).text()
  await fetch(`${url}/authors/amos-oz`, { method: 'DELETE', headers })
  await fetch(`${url}/authors/nobody`, { method: 'DELETE', headers })
  await fetch(`${url}/authors/amos-oz/restore`, { method: 'POST', headers })
  await told('author_restored', 1)
  t.match(
    lines.filter(({ event }) => /^(author|import|export)_/.test(event ?? '')),
    [
      { event: 'import_began', mode: 'partial', dry_run: false, user_id: id, reqId: String },
      { event: 'import_done', created: 2, unchanged: 0, refused: 1, user_id: id },
      { event: 'import_began', mode: 'all' },
      { event: 'import_failed', level: 40, code: 'IMPORT_REFUSED', refused: 1, user_id: id },
      { event: 'export_began', media_type: 'text/csv', user_id: id },
      { event: 'export_done', rows: 2, user_id: id },
      { event: 'author_deleted', author: 'amos-oz', user_id: id },
      { event: 'author_restored', author: 'amos-oz', user_id: id }
    ]
  )
})

t.test('an export whose client has gone has failed', async (t) => {
  const { server, url, told } = await logged(t)
  const { headers } = await signIn(server)
  const content = (index: number) => ({ name: `Name ${index}`, note: 'long'.repeat(400) })
  const body = Array.from({ length: 3000 }, (_, index) => JSON.stringify(content(index))).join('\n')
  const type = { 'content-type': 'application/x-ndjson' }
  await fetch(`${url}/authors/import`, { method: 'POST', headers: { ...headers, ...type }, body })
  const leaving = await open(t, url)
  leaving.write(request('GET /authors/export', headers))
  await once(leaving, 'data')
  leaving.destroy()
  t.match(await told('export_failed', 1), [{ level: 40, rows: Number }])
})

t.test('no line of a whole walk has a password, a token, a code or a key', async (t) => {
  const { server, url, told, lines, text } = await logged(t, { ACCESS_LOG: 'on', LOG_LEVEL: 'trace' })
  const secrets: string[] = []
  let token = ''
  const keep = (...some: string[]) => secrets.push(...some)
  // biome-ignore lint/suspicious/noExplicitAny: read as JSON
  async function send(line: string, body?: object, authorization = `Bearer ${token}`): Promise<any> {
    const [method = '', route] = line.split(' ')
    const answer = await fetch(`${url}${route}`, {
      method,
      headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) })
    })
    return answer.headers.get('content-type')?.includes('json') ? answer.json() : answer.text()
  }
  const logIn = async (password: string) => {
    const authorization = basic('olga', password)
    keep(password, authorization.slice('Basic '.length))
    const pair = await send('POST /login', undefined, authorization)
    if (pair.access_token) keep(pair.access_token, pair.refresh_token)
    return pair
  }
  const [first, second, third] = [
    'an old house by the lake',
    'a new house on the hill',
    'no house at all, a boat'
  ]
  await send('POST /register', { username: 'olga', password: first })
  await logIn('not the password of olga')
  const pair = await logIn(first as string)
  const next = await send('POST /refresh', { refresh_token: pair.refresh_token })
  keep(next.access_token, next.refresh_token)
  const spare = await logIn(first as string)
  await send('POST /refresh', { refresh_token: `${spare.refresh_token.slice(0, -2)}xx` })
  token = next.access_token
  const { key } = await send('POST /me/keys', { name: 'k', scope: 'write' })
  keep(key)
  await send('POST /authors', AUTHOR, `Bearer ${key}`)
  await send('GET /me', undefined, `Bearer ${key}x`)
  await send(`GET /me?access_token=${key}`)
  await send('PUT /me/password', { current_password: 'wrong, and a secret too', new_password: second })
  await send('PUT /me/password', { current_password: first, new_password: second })
  keep('wrong, and a secret too', second as string, third as string)
  const code = /the code (\S+)$/.exec(
    (await COMMANDS['reset-password']?.(server, 'olga')) ?? ''
  )?.[1] as string
  keep(code, code.replaceAll('-', ''))
  await send('POST /password-reset', { username: 'olga', code: code.toUpperCase(), new_password: 'short' })
  await send('POST /password-reset', { username: 'olga', code, new_password: third })
  token = (await logIn(third as string)).access_token
  await send('DELETE /me', { password: second })
  await send('DELETE /me', { password: third })
  await told('user_deleted', 1)
  const refreshes = lines.filter(({ event }) => event?.includes('refresh'))
  t.match(refreshes, [
    { event: 'token_refreshed', reqId: String },
    { event: 'refresh_token_reused', reqId: String }
  ])
  t.ok(secrets.length > 14 && secrets.every((secret) => secret?.length > 10))
  t.ok(lines.length > 40, 'it is talkative')
  t.match(
    lines.filter(({ route }) => route === '/authors'),
    [{ auth: 'key' }]
  )
  for (const secret of secrets) t.notOk(text().includes(secret), secret)
})
