import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { draintest } from '../scripts/draintest.ts'
import {
  AUTHOR,
  basic,
  freePort,
  PASSWORD,
  ROOT,
  refusalIn,
  startServer,
  temporaryFolder
} from './helpers.ts'
import { answersOf, open, request } from './plugins/http/sockets.ts'

const run = promisify(execFile)

/** No file may grow beyond 600 KB. The coverage of tap would end the process at that signal, so it is left out. */
const FULL_DISK = "unset NODE_OPTIONS; trap '' XFSZ; ulimit -f 600"
const JSON_TYPE = { 'content-type': 'application/json' }

async function register(url: string) {
  await fetch(`${url}/register`, {
    method: 'POST',
    headers: JSON_TYPE,
    body: JSON.stringify({ username: 'salman', password: PASSWORD })
  })
  const login = await fetch(`${url}/login`, {
    method: 'POST',
    headers: { authorization: basic('salman', PASSWORD) }
  })
  const { access_token } = (await login.json()) as { access_token: string }
  return { ...JSON_TYPE, authorization: `Bearer ${access_token}` }
}

t.test('it starts without any configuration, and says where everything is', async (t) => {
  const { url, output, folder, child, exited } = await startServer(t)
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.match(output(), `docs          ${url}/docs`)
  t.equal((await fetch(`${url}/health/ready`)).status, 200)
  const file = path.join(folder, 'library.db')
  t.match(output(), `data          ${file}`)
  t.equal(statSync(file).mode & 0o777, 0o600)
  child.kill('SIGHUP')
  t.equal((await fetch(`${url}/health/ready`)).status, 200, 'a request to start anew does nothing')
  child.kill('SIGTERM')
  t.equal(await exited, 0)
  t.match(output(), /SIGHUP does nothing with less than 2 WORKERS/)
  t.notMatch(output(), /warn|deprecat/i, 'and it starts and ends without a warning')
})

t.test('metrics are served on an address of their own, and nowhere else', async (t) => {
  const port = await freePort()
  const { url, output, child, exited } = await startServer(t, { METRICS_PORT: String(port) })
  const address = `http://127.0.0.1:${port}/metrics`
  t.match(output(), `metrics       ${address}`)
  t.equal((await fetch(`${url}/health/live`)).status, 200)
  const text = await (await fetch(address)).text()
  t.match(text, '_count{method="GET",route="/health/live",status="200"} 1')
  t.match(text, /^library_info\{version="\d+\.\d+\.\d+",node="v\d+\S+",engine="sqlite"\} 1$/m)
  t.equal((await fetch(`${url}/metrics`)).status, 404)
  t.equal((await fetch(new URL('/health/live', address))).status, 404)
  child.kill('SIGTERM')
  t.equal(await exited, 0, 'they do not keep the process')
})

t.test('a start that cannot be is ended with one sentence that says what to do', async (t) => {
  const { url } = await startServer(t)
  const ended = await startServer(t)
  ended.child.kill('SIGTERM')
  await ended.exited
  const truncated = path.join(ended.folder, 'library.db')
  truncateSync(truncated, statSync(truncated).size / 2)
  const cases: [Record<string, string>, RegExp][] = [
    [{ PORT: 'abc' }, /^PORT is "abc", but must be a whole number from 0 to 65535\.$/],
    [{ DATABASE_URL: 'mysql://x/y' }, /^DATABASE_URL is "mysql:.*only SQLite and PostgreSQL are there/],
    [
      { DATABASE_URL: path.join(ROOT, 'package.json') },
      /package\.json is not an SQLite database; it was left untouched/
    ],
    [{ DATABASE_URL: path.join(ROOT, 'package.json/x.db') }, /cannot be used .ENOTDIR.*Set DATABASE_URL/],
    [{ DATABASE_URL: temporaryFolder(t) }, / is a folder\. Set DATABASE_URL to a file in it\.$/],
    [{ DATABASE_URL: '/dev/zero' }, /^\/dev\/zero is a device and no file/],
    [{ DATABASE_URL: '/proc/1/nowhere/x.db' }, /cannot be used .*Set DATABASE_URL/],
    [{ DATABASE_URL: 'data/:memory:' }, /in memory would be gone at the end\.$/],
    [
      { DATABASE_URL: '~/books.db' },
      /^DATABASE_URL is "~\/books\.db".*~ is not replaced here; write \/\S*\/books\.db\.$/
    ],
    [{ DATABASE_URL: 'books.db?immutable=1' }, /options after \? are not taken/],
    [
      { DATABASE_URL: 'mariadb://me:a@b/c@db.example/x?passwd=tip' },
      /^DATABASE_URL is "mariadb:\/\/me:\*\*\*@db\.example\/x\?passwd=\*\*\*"/
    ],
    [{ DATABASE_URL: truncated }, /is damaged .*Restore it from a backup/],
    [
      { PORT: new URL(url).port },
      /^Port \d+ of 127\.0\.0\.1 is already in use \(EADDRINUSE\)\. Set PORT to another, .* shows it\.$/
    ],
    [{ HOST: 'no.such.host.invalid' }, /^HOST is no\.such\.host\.invalid, for which no address was found/],
    [
      { HOST: '203.0.113.250' },
      /^HOST is 203\.0\.113\.250, which is no address of this machine .*127\.0\.0\.1/
    ],
    [
      { METRICS_PORT: new URL(url).port },
      /^Port \d+ of 127\.0\.0\.1 is already in use \(EADDRINUSE\)\. Set METRICS_PORT to another, as in METRICS_PORT=\d+ npx library start, /
    ],
    [
      { METRICS_PORT: '9464', METRICS_HOST: '203.0.113.250' },
      /^METRICS_HOST is 203\.0\.113\.250, which is no address of this machine/
    ],
    [
      { METRICS_PORT: '9464', METRICS_HOST: 'no.such.host.invalid' },
      /^METRICS_HOST is no\.such\.host\.invalid, for which no address was found/
    ],
    [{ HOST: 'http://127.0.0.1' }, /^HOST is .* without a scheme or a port/]
  ]
  for (const [variables, message] of cases) {
    const { exited, output, folder } = await startServer(t, variables)
    t.equal(await exited, 1, JSON.stringify(variables))
    const told = refusalIn(output())
    t.match(told, [message])
    t.equal(told.length, 1, 'no stack')
    t.notOk(existsSync(path.join(folder, 'library.db-wal')), 'the database was closed')
  }
})

t.test('SIGTERM and SIGINT let running requests finish, close the database, and end with 0', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { url, child, exited, folder } = await startServer(t)
    const headers = await register(url)
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const received: string[] = []
    socket.on('data', (data) => received.push(String(data)))
    const body = JSON.stringify(AUTHOR)
    const head = Object.entries({ ...headers, host: 'x', 'content-length': body.length }).map((pair) =>
      pair.join(': ')
    )
    socket.write(['POST /authors HTTP/1.1', ...head, '', body.slice(0, 10)].join('\r\n'))
    await fetch(`${url}/health/live`)
    const start = performance.now()
    child.kill(signal)
    await refusesConnections(url)
    socket.write(body.slice(10))
    await once(socket, 'close')
    t.match(received.join(''), /^HTTP\/1\.1 201 /, signal)
    t.equal(await exited, 0)
    t.ok(
      performance.now() - start < 5000,
      'it does not wait for clients that only keep their connection open'
    )
    t.notOk(existsSync(path.join(folder, 'library.db-wal')), 'the database was closed')
  }
})

t.test(
  'a service that ends answers what comes on open connections, and no longer says that it is ready',
  async (t) => {
    const { url, child, exited } = await startServer(t)
    const headers = await register(url)
    const [used, quiet, unused] = [await open(t, url), await open(t, url), await open(t, url)]
    quiet.write(request('GET /health/live'))
    await answersOf(quiet, 1)
    used.write(request('GET /health/ready'))
    t.match(await answersOf(used, 1), [{ status: 200 }])
    child.kill('SIGTERM')
    await refusesConnections(url)
    const start = performance.now()
    const gone = Promise.all([quiet, unused].map((socket) => once(socket.resume(), 'close')))
    used.write(request('GET /health/ready'))
    const late = await answersOf(used)
    t.match(late, [{ status: 503, body: /"code":"SHUTTING_DOWN"/ }])
    t.equal(late[0]?.headers.get('connection'), 'close')
    t.equal(late[0]?.headers.get('retry-after'), '5')
    await gone
    const waited = performance.now() - start
    t.ok(
      waited > 500 && waited < 5000,
      `the others are closed when they have been quiet for a while: ${waited}`
    )
    t.equal(await exited, 0)
    t.ok(headers)
  }
)

t.test(
  'a request that pauses for longer than a connection may be quiet is answered all the same',
  async (t) => {
    const { url, child, exited } = await startServer(t)
    const headers = await register(url)
    const [slow, dripping, quiet] = [await open(t, url), await open(t, url), await open(t, url)]
    const whole = request('POST /authors', headers, JSON.stringify(AUTHOR))
    slow.write(whole.slice(0, -10))
    dripping.write('GET /health/li')
    quiet.write(request('GET /health/live'))
    await answersOf(quiet, 1)
    child.kill('SIGTERM')
    await refusesConnections(url)
    const gone = once(quiet.resume(), 'close')
    const drip = setInterval(() => dripping.write('v'), 100)
    await gone
    clearInterval(drip)
    dripping.write('e HTTP/1.1\r\nhost: x\r\n\r\n')
    slow.write(whole.slice(-10))
    t.match(await answersOf(slow), [{ status: 201 }])
    t.match(await answersOf(dripping), [{ status: 404 }])
    t.equal(await exited, 0)
  }
)

t.test('connections that nobody has accepted before the end are answered', async (t) => {
  const { url, child, exited } = await startServer(t)
  child.kill('SIGSTOP')
  const waiting = await Promise.all(Array.from({ length: 30 }, () => open(t, url)))
  for (const socket of waiting) socket.write(request('GET /health/live'))
  child.kill('SIGTERM')
  child.kill('SIGCONT')
  const answers = await Promise.all(waiting.map((socket) => answersOf(socket, 1)))
  t.strictSame(
    answers.map(([answer]) => answer?.status),
    waiting.map(() => 200)
  )
  t.equal(await exited, 0)
})

t.test('no request is broken by the end, however busy the connections are', async (t) => {
  for (const [rounds, workers] of [
    [3, 1],
    [1, 2]
  ] as const) {
    const lines: string[] = []
    const databaseFile = path.join(temporaryFolder(t), 'library.db')
    const log = (line: string) => lines.push(line)
    const { answered, faults } = await draintest({ rounds, clients: 50, workers, databaseFile, log })
    t.comment(lines.join('\n'))
    t.strictSame(faults, [])
    t.ok(answered > rounds * 150, `${answered} requests`)
  }
})

/** `npm start` as somebody types it; `by` comes before it. Gives the pid of npm, if need be as those see it who started it. */
async function startByNpm(t: Test, by: string[] = []) {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const { NODE_OPTIONS: _, ...inherited } = process.env
  const env = { ...inherited, PORT: '0', DATABASE_URL, LOG_LEVEL: 'error' }
  const [command = 'npm', ...rest] = [...by, 'npm', 'start']
  const child = spawn(command, rest, { cwd: ROOT, env, detached: true })
  t.teardown(() => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGKILL')
  })
  let output = ''
  const exited = once(child, 'close')
  const started = new Promise<void>((resolve) => {
    child.stdout.on('data', (data) => {
      output += data
      if (/^data +/m.test(output)) resolve()
    })
  })
  await Promise.race([started, exited])
  return { child, exited, url: /^Library API +(\S+)$/m.exec(output)?.[1] as string, DATABASE_URL }
}

async function isAnswering(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/health/live`, { headers: { connection: 'close' } }).catch(
    () => undefined
  )
  return answer?.ok ?? false
}

t.test(
  'a signal to npm ends the service that npm start has started, and frees its port',
  { skip: process.platform === 'win32' && 'no signals' },
  async (t) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const { child, exited, url, DATABASE_URL } = await startByNpm(t)
      t.ok(await isAnswering(url))
      child.kill(signal)
      await exited
      t.notOk(await isAnswering(url), signal)
      t.notOk(existsSync(`${DATABASE_URL}-wal`), 'the database was closed')
    }
  }
)

t.test('a Ctrl+C that npm passes on too is one', async (t) => {
  const { child, exited, url, DATABASE_URL } = await startByNpm(t)
  const held = await open(t, url)
  process.kill(-(child.pid as number), 'SIGINT')
  await exited
  held.destroy()
  t.notOk(await isAnswering(url))
  t.notOk(existsSync(`${DATABASE_URL}-wal`), 'the database was closed')
})

const canUnshare = await run('unshare', ['--pid', '--fork', 'true']).then(
  () => true,
  () => false
)

t.test('npm as the first process of a container too', { skip: !canUnshare && 'not permitted' }, async (t) => {
  const { child, exited, url, DATABASE_URL } = await startByNpm(t, ['unshare', '--pid', '--fork'])
  t.ok(await isAnswering(url))
  const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
  process.kill(Number(children.trim()), 'SIGTERM')
  await exited
  t.notOk(await isAnswering(url))
  t.notOk(existsSync(`${DATABASE_URL}-wal`), 'the database was closed')
})

/** A service whose log is not read any more, once it listens. */
async function startUnread(t: Test, variables: Record<string, string>) {
  const env = {
    ...process.env,
    PORT: '0',
    DATABASE_URL: path.join(temporaryFolder(t), 'library.db'),
    ...variables
  }
  const child = spawn(process.execPath, ['server.js'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  let output = ''
  while (!/^data /m.test(output)) output += await once(child.stdout, 'data').then(([data]) => data)
  child.stdout.pause()
  return { child, exited, url: /^Library API +(\S+)$/m.exec(output)?.[1] as string }
}

t.test('a log that nobody reads holds up no request, and not the end', async (t) => {
  for (const isGone of [false, true]) {
    const { child, exited, url } = await startUnread(t, { LOG_LEVEL: 'trace', RATE_LIMIT: 'off' })
    if (isGone) child.stdout.destroy()
    const socket = await open(t, url)
    const path = `/${'long'.repeat(1000)}`
    for (let asked = 0; asked < 100; asked++) {
      socket.write(request(`GET ${path}`))
      await answersOf(socket, 1)
    }
    socket.destroy()
    child.kill('SIGTERM')
    t.strictSame(await exited, [0, null], isGone ? 'its reader is gone' : 'it is full')
  }
})

t.test('a second signal, a while after the first, ends the service at once', async (t) => {
  const { url, child, exited, output } = await startServer(t)
  const slow = await open(t, url)
  slow.write(
    'POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{'
  )
  await fetch(`${url}/health/live`)
  child.kill('SIGTERM')
  await refusesConnections(url)
  const sending = setInterval(() => child.kill('SIGTERM'), 100)
  t.equal(await exited, 1)
  clearInterval(sending)
  t.match(output(), /second SIGTERM/)
})

t.test('a request that never ends is cut off when the time for the end is over', async (t) => {
  const { url, child, exited } = await startServer(t, { SHUTDOWN_TIMEOUT: '1' })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(
    'POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{'
  )
  await fetch(`${url}/health/live`)
  child.kill('SIGTERM')
  t.equal(await exited, 0)
})

t.test('an unhandled rejection is logged and ends the process with 1', async (t) => {
  const rejectOnSignal = "process.once('SIGWINCH', () => Promise.reject(new Error('out of the blue')))"
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(rejectOnSignal)}`
  const { child, exited, output, folder } = await startServer(t, { NODE_OPTIONS })
  child.kill('SIGWINCH')
  t.equal(await exited, 1)
  t.match(output(), /"level":60.*out of the blue/)
  t.notOk(existsSync(path.join(folder, 'library.db-wal')), 'the database was closed all the same')
})

t.test('a full disk is 503, reads go on, and what was acknowledged is there', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const { url, child, exited } = await startServer(t, { DATABASE_URL }, FULL_DISK)
  const headers = await register(url)
  const create = async (book: string) => {
    const body = JSON.stringify({ ...AUTHOR, book, note: 'x'.repeat(4000) })
    return fetch(`${url}/authors`, { method: 'POST', headers, body })
  }
  const created: string[] = []
  const refused: Response[] = []
  for (let i = 0; i < 100; i++) {
    const answer = await create(`Book ${i}`)
    if (answer.status === 201) created.push(((await answer.json()) as { id: string }).id)
    else refused.push(answer)
  }
  t.ok(created.length > 0 && refused.length > 0, `${created.length} created, ${refused.length} refused`)
  t.strictSame([...new Set(refused.map(({ status }) => status))], [503])
  t.match(await refused[0]?.json(), { code: 'STORAGE_UNAVAILABLE' })
  t.equal((await fetch(`${url}/authors`, { headers })).status, 200)
  child.kill('SIGKILL')
  await exited

  const again = await startServer(t, { DATABASE_URL })
  for (const id of created) t.equal((await fetch(`${again.url}/authors/${id}`, { headers })).status, 200)
  t.equal(
    (await fetch(`${again.url}/authors`, { method: 'POST', headers, body: JSON.stringify(AUTHOR) })).status,
    201
  )
})

t.test(
  'without free descriptors it answers 503, and goes on when there are some',
  { skip: process.platform !== 'linux' && 'no /proc' },
  async (t) => {
    const most = 64
    const { child, url } = await startServer(t, {}, `unset NODE_OPTIONS; ulimit -n ${most}`)
    const { authorization } = await register(url)
    const free = () => most - readdirSync(`/proc/${child.pid}/fd`).length
    const held = await open(t, url)
    const ask = async (line: string, type: string, body = '') => {
      held.write(request(line, { authorization, 'content-type': type }, body))
      return (await answersOf(held, 1))[0]?.status
    }
    const importOne = (n: number) =>
      ask('POST /authors/import', 'text/csv', `name,book,country\nAuthor ${n},Book,India\n`)
    const idle: Socket[] = []
    const refused: (number | undefined)[] = []
    for (let left = 8; left >= 0; left--) {
      while (free() > left) idle.push(await open(t, url))
      refused.push(await importOne(left))
      t.equal(await ask('GET /authors', 'text/plain'), 200, `reads go on with ${left} free descriptors`)
    }
    t.strictSame(
      refused.filter((status) => status !== 200 && status !== 503),
      []
    )
    t.ok(refused.includes(503))
    t.match(String(await ask('GET /docs/static/swagger-ui.css', 'text/plain')), /200|503/)
    for (const socket of idle) socket.destroy()
    while (free() < 9) t.equal(await ask('GET /health/ready', 'text/plain'), 200)
    t.equal(await importOne(most), 200)
    t.equal(await ask('GET /docs/static/swagger-ui.css', 'text/plain'), 200)
  }
)

t.test('the log never holds a secret, even at its most talkative', async (t) => {
  const { url, output, child, exited, folder } = await startServer(t, { LOG_LEVEL: 'trace' })
  const headers = await register(url)
  const secrets = [PASSWORD, btoa(`salman:${PASSWORD}`), headers.authorization.slice('Bearer '.length)]
  const canary = 'canary-5f3a9c'
  const post = (route: string, body: string, more = {}) =>
    fetch(url + route, { method: 'POST', headers: { ...headers, ...more }, body })
  await post('/register', JSON.stringify({ username: 'x', password: canary }))
  await post('/register', `{"username": "salman", "password": "${canary}`)
  await post(
    '/register',
    JSON.stringify({ username: 'salman', password: canary.repeat(2), [canary]: canary })
  )
  await post('/authors', JSON.stringify({ password: canary, access_token: canary, note: canary }))
  await post('/login', '', { authorization: basic(canary, canary) })
  await fetch(`${url}/me?access_token=${canary}`, {
    headers: { authorization: `Bearer ${canary}`, cookie: canary }
  })
  child.kill('SIGTERM')
  await exited
  const log = output()
  t.match(log, /"path":"\/me"/, 'requests are logged at this level')
  const key = JSON.parse(readFileSync(path.join(folder, 'library.db.keys.json'), 'utf8')).keys[0].d
  for (const secret of [...secrets, canary, btoa(`${canary}:${canary}`), key])
    t.notOk(log.includes(secret), secret)
})

t.test(
  'by default the log tells security events, and nothing of requests that went as they should',
  async (t) => {
    const { url, output, child, exited } = await startServer(t)
    const headers = await register(url)
    await fetch(`${url}/me`, { headers })
    await fetch(`${url}/nowhere`)
    await fetch(`${url}/me`)
    await fetch(`${url}/login`, { method: 'POST', headers: { authorization: basic('salman', 'wrong') } })
    await fetch(`${url}/logout`, { method: 'POST', headers: { authorization: headers.authorization } })
    child.kill('SIGTERM')
    await exited
    const lines = output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
    const events = lines.flatMap(({ event, code }) =>
      event === undefined ? [] : [[event, code].filter(Boolean).join(' ')]
    )
    t.strictSame(
      events.filter((event) => !event.startsWith('signing')),
      [
        'service_starting',
        'data_opened',
        'user_registered',
        'login_succeeded',
        'access_refused TOKEN_REQUIRED',
        'login_failed',
        'access_refused INVALID_CREDENTIALS',
        'logout'
      ]
    )
    t.equal(lines.filter(({ event }) => event === undefined).length, 1, 'and that it listens')
  }
)

t.test('a Node that does not know TypeScript is told to be too old', async (t) => {
  const started = run(process.execPath, ['--no-strip-types', path.join(ROOT, 'server.js')])
  await t.rejects(started, {
    code: 1,
    stderr: /^Node \S+ is too old: 22\.18 or newer is needed\. Install Node 24 .*without --omit=dev.*\n$/
  })
})

t.test('the operator’s commands tell an old Node so too, and what they refuse in a sentence', async (t) => {
  const scripts = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).scripts
  for (const name of ['seed', 'authors', 'user', 'keys', 'db:migrate', 'db:check']) {
    const [command, ...args] = scripts[name].split(' || ')[1].split(' ')
    t.equal(command, 'node')
    const started = run(process.execPath, ['--no-strip-types', ...args], { cwd: ROOT })
    await t.rejects(started, { code: 1, stderr: /^Node \S+ is too old: [^\n]+\n$/ }, name)
  }
  const env = { ...process.env, DATABASE_URL: 'mysql://me:tip@h/db' }
  for (const args of [['user', 'list'], ['keys', 'list'], ['migrate', 'status'], ['check']]) {
    const started = run(process.execPath, [`scripts/${args[0]}.ts`, ...args.slice(1)], { cwd: ROOT, env })
    await t.rejects(
      started,
      { code: 1, stderr: /^DATABASE_URL is "mysql:\/\/me:\*\*\*@h\/db"[^\n]+\n$/ },
      String(args[0])
    )
  }
})

t.test('the start says what data it has found, wherever it was started', async (t) => {
  const first = await startServer(t)
  t.match(first.output(), new RegExp(`^data +${first.folder}/library\\.db \\(new\\)$`, 'm'))
  await register(first.url)
  first.child.kill('SIGTERM')
  await first.exited
  const DATABASE_URL = path.relative(ROOT, path.join(first.folder, 'library.db'))
  const limits = `cd ${temporaryFolder(t)}; set -- ${path.join(ROOT, 'server.js')}; exec "$0" "$1"`
  for (const WORKERS of ['1', '2']) {
    const again = await startServer(t, { DATABASE_URL, WORKERS, LOG_LEVEL: 'info' }, limits)
    t.match(again.output(), new RegExp(`^data +${first.folder}/library\\.db \\(0 authors, 1 user\\)$`, 'm'))
    again.child.kill('SIGTERM')
    t.equal(await again.exited, 0)
    const opened = {
      event: 'data_opened',
      database: path.join(first.folder, 'library.db'),
      new: false,
      users: 1
    }
    const lines = again
      .output()
      .split('\n')
      .filter((line) => line.includes('data_opened'))
    t.match(
      lines.map((line) => JSON.parse(line)),
      [opened]
    )
  }
})

t.test('a second service on a database is told, and right', async (t) => {
  const first = await startServer(t)
  const DATABASE_URL = path.join(first.folder, 'library.db')
  const second = await startServer(t, { DATABASE_URL, LOG_LEVEL: 'warn' })
  const told = second
    .output()
    .split('\n')
    .filter((line) => line.includes('database_shared'))
  t.match(
    told.map((line) => JSON.parse(line)),
    [{ event: 'database_shared', database: DATABASE_URL, pid: first.child.pid }]
  )
  const headers = await register(second.url)
  t.equal((await fetch(`${first.url}/me`, { headers })).status, 200)
  second.child.kill('SIGTERM')
  t.equal(await second.exited, 0)
})

t.test('a killed service leaves no claim behind, and one in brackets is taken', async (t) => {
  const first = await startServer(t, { HOST: '[::1]' })
  t.match(first.url, /^http:\/\/\[::1\]:\d+$/)
  first.child.kill('SIGKILL')
  await first.exited
  const again = await startServer(t, { DATABASE_URL: path.join(first.folder, 'library.db') })
  t.equal((await fetch(`${again.url}/health/ready`)).status, 200)
})

t.test('.env is read', async (t) => {
  const cwd = temporaryFolder(t)
  writeFileSync(path.join(cwd, '.env'), 'PORT=nonsense\n')
  const started = run(process.execPath, [path.join(ROOT, 'server.js')], { cwd })
  await t.rejects(started, { code: 1, stderr: /PORT is "nonsense"/ })
})

t.test('importing the app never listens', async (t) => {
  const script =
    "await import('./app.ts'); console.log(process.getActiveResourcesInfo().filter((name) => /TCP/.test(name)).length)"
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], { cwd: ROOT })
  t.equal(stdout.trim(), '0')
})

async function refusesConnections(url: string): Promise<void> {
  while (await fetch(`${url}/health/live`, { headers: { connection: 'close' } }).catch(() => undefined));
}
