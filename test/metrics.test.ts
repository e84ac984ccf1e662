import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import t from 'tap'
import { checkWriting } from '../db/commands/checking.ts'
import { countInSlices } from '../db/contents.ts'
import type { DatabaseEvent } from '../db/database.ts'
import { measureBackups } from '../plugins/metrics/backups.ts'
import { countedSeldom } from '../plugins/metrics/data.ts'
import { countEngineEvents } from '../plugins/metrics/engine.ts'
import { Instruments } from '../plugins/metrics/instruments.ts'
import { serveMetrics } from '../plugins/metrics/server.ts'
import { ENGINES, engineOf, loseDatabase, test } from './engines.ts'
import { type Documented, documented, labelsOf, type Metric, parse, scrape, sum } from './exposition.ts'
import { AUTHOR, basic, buildApp, directly, listen, PASSWORD, ROOT, signIn } from './helpers.ts'

const run = promisify(execFile)
/** Any will do: only the process listens on it. */
const ON = { METRICS_PORT: '9464' }
const REQUESTS = 'library_http_request_duration_seconds'
const isLinux = process.platform === 'linux'
const hasPromtool = await run('promtool', ['--version']).then(
  () => true,
  () => false
)

/** Metrics that have had a number, on whichever engine. */
const withNumbers = new Set<string>()

test('what is scraped is what the table says', { skip: !isLinux && 'no /proc' }, async (t) => {
  const { server, url } = await listen(t, ON)
  const { headers } = await signIn(server)
  await fetch(`${url}/authors`, { headers })
  const metrics = await scrape(server)
  const table = documented()
  const expected = [...table].filter(([, { isOfWorkers }]) => !isOfWorkers)
  t.ok(expected.length > 50)
  t.strictSame([...metrics.keys()].sort(), expected.map(([name]) => name).sort())
  for (const [name, metric] of metrics) {
    const { type, labels } = table.get(name) as Documented
    t.equal(metric.type, type, name)
    t.match(metric.help, /^[A-Z].{5,}$/, name)
    if (metric.samples.length > 0) t.strictSame(labelsOf(metric), labels, name)
    if (metric.samples.length > 0) withNumbers.add(name)
  }
  t.equal(sum(metrics, 'library_info', { engine: engineOf(t) }), 1)
  t.equal(sum(metrics, 'library_ready'), 1)
  t.ok(sum(metrics, 'library_database_bytes', { part: 'data' }) > 0)
  t.ok(sum(metrics, 'library_disk_free_bytes', { folder: 'spool' }) > 0)
  if (hasPromtool) await checkNames(t, server)
})

t.test('each of them has a number on one engine at least', { skip: ENGINES.length === 1 }, async (t) => {
  // A collection may not have come yet, and nothing has been copied or backed up.
  const later = /^nodejs_gc_|^library_wal_pages$|^library_backup_/
  const without = [...documented()].filter(
    ([name, { isOfWorkers }]) => !isOfWorkers && !withNumbers.has(name)
  )
  t.strictSame(
    without.map(([name]) => name).filter((name) => !later.test(name)),
    []
  )
})

async function checkNames(t: Test, server: FastifyInstance): Promise<void> {
  const url = await serveMetrics('127.0.0.1', 0, async () => [await server.metrics.read()])
  const text = await (await fetch(url)).text()
  const checking = run('promtool', ['check', 'metrics'])
  checking.child.stdin?.end(text)
  const { stdout, stderr } = await checking.catch((error) => error)
  t.equal(stdout + stderr, '', 'promtool finds nothing')
}

const BOUNDED_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', '(other)']

/** A request as no client library would send it; gives the status. */
async function sendRaw(url: string, head: string): Promise<number> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(`${head}\r\nHost: x\r\nConnection: close\r\n\r\n`)
  const text = (await socket.toArray()).join('')
  return Number(text.split(' ')[1])
}

/** Some of everything that a client chooses; gives the statuses. */
async function askAll(url: string, headers: Record<string, string>): Promise<number[]> {
  const [id, name] = [randomUUID(), `ghost${Math.random().toString(36).slice(2)}`]
  const json = { ...headers, 'content-type': 'application/json' }
  const asked: [string, RequestInit?][] = [
    [`/authors/${id}`, { headers }],
    [`/authors/${name}`, { headers }],
    [`/authors?q=${name}`, { headers }],
    [`/authors/${id}`, { method: 'DELETE', headers }],
    ['/authors', { method: 'POST', headers: json, body: JSON.stringify({ ...AUTHOR, name }) }],
    [`/users/${id}`, { headers }],
    [`/me/sessions/${id}`, { method: 'DELETE', headers }],
    [`/${name}`],
    [`/${name}/${id}`, { method: 'PUT' }],
    [`/docs/static/${name}`],
    [`/authors/${name}`],
    ['/login', { method: 'POST', headers: { authorization: basic(name, id) } }],
    ['/authors', { method: 'OPTIONS' }],
    ['/health/live', { method: 'HEAD' }]
  ]
  const statuses: number[] = []
  for (const [to, init] of asked) {
    const answer = await fetch(url + to, init)
    await answer.arrayBuffer()
    statuses.push(answer.status)
  }
  statuses.push(await sendRaw(url, `PROPFIND /${name} HTTP/1.1`))
  statuses.push(await sendRaw(url, `GET /authors/${name.repeat(60)} HTTP/1.1`))
  statuses.push(await sendRaw(url, `GET /authors/%FF${name} HTTP/1.1`))
  return statuses
}

function valuesOf(metrics: Map<string, Metric>): Set<string> {
  const samples = [...metrics.values()].flatMap((metric) => metric.samples)
  const ours = samples.filter(({ name }) => name.startsWith('library_'))
  return new Set(ours.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`))
}

t.test('each request is counted once, and nothing that a client chooses becomes a label', async (t) => {
  const { server, url } = await listen(t, { ...ON, RATE_LIMIT: 'off' })
  const { headers } = await signIn(server)
  const statuses = await askAll(url, headers)
  t.strictSame(
    statuses,
    [404, 404, 200, 404, 201, 404, 404, 404, 404, 404, 401, 401, 204, 200, 404, 414, 400],
    'what was asked is what was meant'
  )
  const first = await scrape(server)
  t.equal(sum(first, `${REQUESTS}_count`), statuses.length)
  for (const status of new Set(statuses)) {
    const count = statuses.filter((other) => other === status).length
    t.equal(sum(first, `${REQUESTS}_count`, { status: String(status) }), count, `${status}`)
  }
  t.equal(sum(first, `${REQUESTS}_count`, { route: '/authors/:author', method: 'DELETE' }), 1)
  t.equal(sum(first, `${REQUESTS}_count`, { route: '/health/live', method: 'HEAD' }), 1)
  await askAll(url, headers)
  const second = await scrape(server)
  t.strictSame(valuesOf(second), valuesOf(first), 'others of the same kind make no more of them')
  t.equal(sum(second, `${REQUESTS}_count`), 2 * statuses.length)
  const routes = new Set(['(none)', ...routesOf(server)])
  const strange = (second.get(REQUESTS)?.samples ?? []).filter(
    ({ labels: { method = '', route = '', status = '' } }) =>
      !BOUNDED_METHODS.includes(method) || !routes.has(route) || !/^[1-5]\d\d$/.test(status)
  )
  t.strictSame(strange, [])
})

/** As the router has them, which shows no tree of them for this. */
function routesOf(server: FastifyInstance): string[] {
  const routes: string[] = []
  const parents: string[] = []
  for (const line of server.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', url = ''] = /^([│ ]*)[├└]── (\S*)/.exec(line) ?? []
    parents.length = indent.length / 4
    parents.push(url)
    routes.push(parents.join(''))
  }
  return routes
}

t.test('what is refused before there is a route is counted apart', async (t) => {
  const { server, url } = await listen(t, ON)
  t.equal(await sendRaw(url, 'HELLO'), 400)
  t.equal(await sendRaw(url, 'CONNECT example.org:443 HTTP/1.1'), 405)
  t.equal(await sendRaw(url, `GET / HTTP/1.1\r\nX-Long: ${'x'.repeat(20_000)}`), 431)
  const metrics = await scrape(server)
  for (const status of ['400', '405', '431'])
    t.equal(sum(metrics, 'library_http_bare_answers_total', { status }), 1, status)
  t.equal(sum(metrics, `${REQUESTS}_count`), 0)
})

t.test('what goes on is seen as long as it does', async (t) => {
  const { server, url } = await listen(t, ON)
  const { headers } = await signIn(server)
  const end = new AbortController()
  const stream = await fetch(`${url}/changes/stream`, { headers, signal: end.signal })
  t.equal(stream.status, 200)
  const during = await scrape(server)
  t.equal(sum(during, 'library_streams_open', { kind: 'changes' }), 1)
  t.equal(sum(during, 'library_http_requests_under_way'), 1)
  t.equal(sum(during, 'library_http_connections'), 1)
  end.abort()
  const isGone = async () => sum(await scrape(server), 'library_streams_open', { kind: 'changes' }) === 0
  while (!(await isGone())) await nextTurn()
  t.equal(sum(await scrape(server), 'library_http_requests_under_way'), 0)
})

t.test('logins, caches and imports are counted', async (t) => {
  const { server, url } = await listen(t, ON)
  const { headers } = await signIn(server)
  const login = (password: string, username = 'salman') =>
    fetch(`${url}/login`, { method: 'POST', headers: { authorization: basic(username, password) } })
  await login(PASSWORD)
  let failed = 0
  while ((await login('not the moor', 'eve')).status === 401) failed += 1
  const created = await fetch(`${url}/authors`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(AUTHOR)
  })
  const { id } = (await created.json()) as { id: string }
  for (let i = 0; i < 3; i++) await fetch(`${url}/authors/${id}`, { headers })
  const metrics = await scrape(server)
  t.equal(sum(metrics, 'library_logins_total', { outcome: 'succeeded' }), 1)
  t.equal(sum(metrics, 'library_logins_total', { outcome: 'failed' }), failed)
  t.equal(sum(metrics, 'library_logins_total', { outcome: 'limited' }), 1)
  t.equal(sum(metrics, 'library_cache_misses_total', { cache: 'authors' }), 1)
  t.equal(sum(metrics, 'library_cache_hits_total', { cache: 'authors' }), 2)
  t.equal(sum(metrics, 'library_cache_entries', { cache: 'authors' }), 1)
  t.equal(sum(metrics, 'library_signing_keys'), 1)
  t.ok(sum(metrics, 'library_batch_calls_count') > 0)
  t.ok(sum(metrics, 'library_batch_calls_sum') >= sum(metrics, 'library_batch_calls_count'))
})

test('authors, users and sessions are counted in slices, and not again at each scrape', async (t) => {
  const server = await buildApp(t, ON)
  const { id } = await signIn(server)
  await signIn(server, 'padma')
  const db = directly(t, server)
  const now = new Date()
  const later = new Date(now.getTime() + 3_600_000).toISOString()
  const before = new Date(now.getTime() - 3_600_000).toISOString()
  const { number } = await db
    .selectFrom('users')
    .select('number')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const row = (index: number) => ({
    id: randomUUID(),
    user_number: number,
    user_agent: null,
    created_at: before,
    last_used_at: before,
    idle_expires_at: index % 4 === 1 ? before : later,
    expires_at: index % 4 === 2 ? before : later,
    ended_at: index % 4 === 3 ? before : null,
    end_reason: index % 4 === 3 ? ('logout' as const) : null,
    family_hash: 'none',
    refresh_hash: 'none',
    previous_hash: null,
    rotation_salt: null,
    rotated_at: null
  })
  const rows = Array.from({ length: 4400 }, (_, index) => row(index))
  for (let at = 0; at < rows.length; at += 400)
    await db
      .insertInto('sessions')
      .values(rows.slice(at, at + 400))
      .execute()
  t.equal(await countInSlices(server.db, 'sessions'), 1100 + 2, 'of several slices those that are alive')
  const first = await scrape(server)
  t.equal(sum(first, 'library_sessions_alive'), 1102)
  t.equal(sum(first, 'library_users'), 2)
  t.equal(sum(first, 'library_authors'), 0)
  await signIn(server, 'saleem')
  t.equal(sum(await scrape(server), 'library_users'), 2, 'as it was counted a moment ago')
  t.equal(await countInSlices(server.db, 'users'), 3)
})

test('a database that is away is told, and the rest is told all the same', async (t) => {
  const { server, url } = await listen(t, ON)
  await loseDatabase(server.config.DATABASE_URL)
  t.equal((await fetch(`${url}/health/ready`)).status, 503)
  await t.rejects(server.run('service', checkWriting, {}))
  const metrics = await scrape(server)
  t.equal(sum(metrics, 'library_ready'), 0)
  t.ok(sum(metrics, 'library_writes_unavailable_total') >= 1)
  t.equal(sum(metrics, `${REQUESTS}_count`, { route: '/health/ready', status: '503' }), 1)
})

t.test('a service that is about to end is not ready', async (t) => {
  const { server } = await listen(t, ON)
  const { openSocketsOf } = await import('../plugins/http/open-sockets.ts')
  openSocketsOf(server.server).letGo()
  t.equal(sum(await scrape(server), 'library_ready'), 0)
})

t.test('what an engine tells is counted', async (t) => {
  const server = await buildApp(t)
  const metrics = new Instruments(server.log)
  const hear = countEngineEvents(metrics)
  const events: DatabaseEvent[] = [
    { event: 'batch', calls: 3, lockMs: 0, commitMs: 4, waiting: 0 },
    { event: 'batch', calls: 40, lockMs: 1500, commitMs: 0, waiting: 7 },
    { event: 'checkpoint', pages: 812, copied: 800 },
    { event: 'checkpoint_failed', reason: 'disk I/O error' },
    { event: 'sync_failed', reason: 'x' },
    { event: 'writer_ended', reason: 'x' },
    { event: 'batch_failed', reason: 'x', calls: 2 },
    { event: 'batch_retried', reason: 'x' },
    { event: 'commit_unknown', reason: 'x', calls: 2 },
    { event: 'migrating', migration: '0001', step: 'rows', percent: 50 }
  ]
  for (const event of events) hear(event)
  const { expose } = await import('../plugins/metrics/exposition.ts')
  const found = parse((await expose([await metrics.read()])).text)
  t.equal(sum(found, 'library_batch_calls_sum'), 43)
  t.equal(sum(found, 'library_batch_calls_bucket', { le: '4' }), 1)
  t.equal(sum(found, 'library_batch_calls_bucket', { le: '+Inf' }), 2)
  t.equal(sum(found, 'library_batch_commit_seconds_count'), 1, 'what was undone was not committed')
  t.equal(sum(found, 'library_batch_lock_wait_seconds_sum'), 1.5)
  t.equal(sum(found, 'library_wal_pages'), 812)
  t.equal(sum(found, 'library_checkpoints_total', { outcome: 'copied' }), 1)
  t.equal(sum(found, 'library_checkpoints_total', { outcome: 'failed' }), 1)
  for (const event of ['batch_failed', 'batch_retried', 'commit_unknown', 'sync_failed', 'writer_ended'])
    t.equal(sum(found, 'library_database_troubles_total', { event }), 1, event)
})

t.test('what is known of backups is told', async (t) => {
  const server = await buildApp(t)
  const told = async (known: ReturnType<FastifyInstance['backups']['status']>) => {
    const metrics = new Instruments(server.log)
    measureBackups({ metrics, backups: { status: () => known } })
    return (await metrics.read()).map(({ values }) => values.map(({ value }) => value))
  }
  const lastAt = new Date('2026-11-02T03:04:05Z')
  const failure = { at: lastAt, reason: 'disk full' }
  t.strictSame(await told(undefined), [[], []])
  t.strictSame(await told({ lastAt: undefined, failure }), [[], [1]])
  t.strictSame(await told({ lastAt, failure: undefined }), [[lastAt.getTime() / 1000], [0]])
})

t.test('only GET and HEAD of /metrics are served', async (t) => {
  let isBroken = false
  const url = await serveMetrics('127.0.0.1', 0, async () => {
    if (isBroken) throw new Error('a worker is away')
    return [
      [
        {
          name: 'x_total',
          help: 'X.',
          type: 'counter',
          aggregator: 'sum',
          values: [{ value: 2, labels: {} }]
        }
      ]
    ]
  })
  const plain = await fetch(url, { headers: { origin: 'https://example.org' } })
  t.equal(plain.status, 200)
  t.equal(plain.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(await plain.text(), '# HELP x_total X.\n# TYPE x_total counter\nx_total 2\n')
  const names = [...plain.headers.keys()]
  t.strictSame(
    names.filter((name) => name.startsWith('access-control')),
    []
  )
  const head = await fetch(url, { method: 'HEAD' })
  t.equal(head.headers.get('content-length'), plain.headers.get('content-length'))
  t.equal(await head.text(), '')
  const post = await fetch(url, { method: 'POST', body: 'x' })
  t.equal(post.status, 405)
  t.equal(post.headers.get('allow'), 'GET, HEAD')
  for (const to of ['/', '/metrics/', '/authors', '/metrics.json'])
    t.equal((await fetch(new URL(to, url))).status, 404, to)
  t.equal((await fetch(`${url}?x=1`)).status, 200)
  isBroken = true
  const broken = await fetch(url)
  t.equal(broken.status, 500)
  t.match(await broken.text(), /could not be collected: a worker is away/)
  await t.rejects(
    serveMetrics('127.0.0.1', Number(new URL(url).port), async () => []),
    { code: 'EADDRINUSE', settings: { host: 'METRICS_HOST', port: 'METRICS_PORT' } }
  )
})

t.test('silent connections are not held for long, though they are all that there may be', async (t) => {
  const url = await serveMetrics('127.0.0.1', 0, async () => [[]], 100)
  const sockets = Array.from({ length: 40 }, () => connect(Number(new URL(url).port), '127.0.0.1'))
  t.teardown(() => sockets.map((socket) => socket.destroy()))
  for (const socket of sockets) socket.on('error', () => {}).write('GET /metrics HTTP/1.1\r\nhost: ')
  const ask = () => fetch(url).then(({ status }) => status, nextTurn)
  let status = await ask()
  while (status !== 200) status = await ask()
  t.equal(status, 200)
})

t.test('what takes too long to find out is not known, and keeps nothing else back', async (t) => {
  const metrics = new Instruments((await buildApp(t)).log, 50)
  metrics.gauge({ name: 'x_slow', help: 'Slow.' }, () => new Promise(() => {}))
  metrics.gauge({ name: 'x_quick', help: 'Quick.' }, () => 7)
  t.match(await metrics.read(), [
    { name: 'x_slow', values: [] },
    { name: 'x_quick', values: [{ value: 7 }] }
  ])
})

t.test('a count is not begun while it is under way, and what has failed is tried again', async (t) => {
  const counts: PromiseWithResolvers<number>[] = []
  const read = countedSeldom(() => {
    const count = Promise.withResolvers<number>()
    counts.push(count)
    return count.promise
  })
  const [first, second] = [read(), read()]
  t.equal(counts.length, 1, 'the first, for two who ask')
  counts[0]?.reject(new Error('no connection'))
  await t.rejects(Promise.all([first, second]), { message: 'no connection' })
  const third = read()
  counts[1]?.resolve(3)
  t.equal(await third, 3)
  t.equal(await read(), 3)
  t.equal(counts.length, 2, 'it is as it was a moment ago')
})

t.test('OpenMetrics is sent to those who ask for it', async (t) => {
  const url = await serveMetrics('127.0.0.1', 0, async () => [
    [
      {
        name: 'x_total',
        help: 'X.',
        type: 'counter',
        aggregator: 'sum',
        values: [{ value: 2, labels: { a: 'b' } }]
      }
    ]
  ])
  const typeFor = async (accept: string) => {
    const answer = await fetch(url, { headers: { accept } })
    return [answer.headers.get('content-type')?.split(';')[0], await answer.text()]
  }
  const openMetrics = [
    'application/openmetrics-text',
    '# HELP x X.\n# TYPE x counter\nx_total{a="b"} 2\n# EOF\n'
  ]
  const prometheus =
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1'
  for (const accept of ['application/openmetrics-text', prometheus])
    t.strictSame(await typeFor(accept), openMetrics)
  for (const accept of [
    '*/*',
    'text/plain',
    'text/plain, application/openmetrics-text;q=0.4',
    'application/openmetrics-text;q=0'
  ])
    t.equal((await typeFor(accept))[0], 'text/plain', accept)
})

t.test('without METRICS_PORT nothing is collected', async (t) => {
  for (const METRICS_PORT of ['', '0']) {
    const server = await buildApp(t, { METRICS_PORT })
    await server.inject('/health/live')
    const names = (await server.metrics.read()).map(({ name }) => name)
    t.notOk(
      names.some((name) => name === REQUESTS || name.startsWith('process_')),
      'what counts by itself is all'
    )
  }
})

const deployed = (name: string) => readFileSync(path.join(ROOT, 'deploy', name), 'utf8')

/** Without the endings that the samples of a histogram have. */
function namesIn(text: string): string[] {
  const names = [...text.matchAll(/\b(?:library|process|nodejs)_[a-z0-9_]+\b/g)].map(([name]) => name)
  const table = documented()
  return [...new Set(names)].map((name) => {
    const base = name.replace(/_(bucket|sum|count)$/, '')
    return table.get(base)?.type === 'histogram' ? base : name
  })
}

t.test('the alerts and the dashboard ask for metrics and labels that there are', async (t) => {
  const table = documented()
  const dashboard = JSON.parse(deployed('grafana-dashboard.json'))
  const alerts = deployed('alerts.yml')
  const shown: string[] = [
    ...JSON.stringify(dashboard).matchAll(/"(?:expr|query|definition)":"((?:[^"\\]|\\.)*)"/g)
  ].map(([, text]) => JSON.parse(`"${text}"`))
  const asked = [...alerts.matchAll(/expr: (?:\|\n)?((?:.+\n)(?: {10,}.+\n)*)/g)].map(([, text = '']) => text)
  t.ok(shown.length > 50 && asked.length > 12)
  const wrong = [...shown, ...asked].filter((text) => {
    const names = namesIn(text)
    const labels = new Set([
      'job',
      'instance',
      'le',
      ...names.flatMap((name) => table.get(name)?.labels ?? [])
    ])
    const named = [...text.matchAll(/\b(\w+)(?:=~|!~|!=|=)"/g), ...text.matchAll(/\bby \(([\w, ]+)\)/g)]
    const labelsAsked = named.flatMap(([, list = '']) => list.split(', '))
    return !names.every((name) => table.has(name)) || !labelsAsked.every((label) => labels.has(label))
  })
  t.strictSame(wrong, [])
  const ids = dashboard.panels.map(({ id }: { id: number }) => id)
  t.equal(new Set(ids).size, ids.length)
})

t.test('each metric of our own is in the dashboard or an alert', async (t) => {
  const used = new Set([...namesIn(deployed('grafana-dashboard.json')), ...namesIn(deployed('alerts.yml'))])
  const unused = [...documented().keys()].filter((name) => name.startsWith('library_') && !used.has(name))
  t.strictSame(unused, ['library_wal_pages', 'library_cache_entries'])
})

t.test(
  'promtool takes the alerts, and they fire when they should',
  { skip: !hasPromtool && 'promtool is not installed (Debian: apt-get install prometheus)' },
  async (t) => {
    const { stdout } = await run('promtool', ['check', 'rules', 'deploy/alerts.yml'], { cwd: ROOT })
    t.match(stdout, /SUCCESS: \d+ rules found/)
    const tested = await run('promtool', ['test', 'rules', 'test/alerts.yml'], { cwd: ROOT }).catch(
      (error) => error
    )
    t.match(tested.stdout, /SUCCESS/)
  }
)
