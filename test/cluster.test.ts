import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, renameSync } from 'node:fs'
import { Agent, type IncomingMessage, request as send } from 'node:http'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { documented, type Metric, parse, sum } from './exposition.ts'
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

const run = promisify(execFile)
const JSON_TYPE = { 'content-type': 'application/json' }
/** For single requests: an idle connection would keep a worker that is replaced. */
const CLOSE = { connection: 'close' }
const MERGE_PATCH = { 'content-type': 'application/merge-patch+json' }

type Service = Awaited<ReturnType<typeof startServer>>
type Headers = Record<string, string>

interface Answer {
  status: number
  id: string
  json: Record<string, never> & { id?: string; data?: { id: string; birth_year: number }[] }
}

/** A client with one connection that it keeps open. */
class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #url: string
  readonly #headers: Headers

  constructor(t: Test, url: string, headers: Headers = {}) {
    this.#url = url
    this.#headers = headers
    t.teardown(() => this.#agent.destroy())
  }

  async send(method: string, route: string, body?: object, more: Headers = {}): Promise<Answer> {
    const headers = { ...JSON_TYPE, ...this.#headers, ...more }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const outgoing = send(this.#url + route, { method, headers, agent: this.#agent }, resolve)
    outgoing.on('error', reject).end(body && JSON.stringify(body))
    const answer = await promise
    const text = (await answer.toArray()).join('')
    const id = answer.headers['x-request-id'] as string
    return { status: answer.statusCode as number, id, json: JSON.parse(text || '{}') }
  }
}

async function until<T>(find: () => T | undefined | Promise<T | undefined>): Promise<T> {
  while (true) {
    const found = await find()
    if (found) return found
    await sleep(10)
  }
}

async function signIn(url: string, username = 'salman'): Promise<Headers> {
  const body = JSON.stringify({ username, password: PASSWORD })
  await fetch(`${url}/register`, { method: 'POST', headers: { ...JSON_TYPE, ...CLOSE }, body })
  const headers = { authorization: basic(username, PASSWORD), ...CLOSE }
  const login = await fetch(`${url}/login`, { method: 'POST', headers })
  const { access_token } = (await login.json()) as { access_token: string }
  return { authorization: `Bearer ${access_token}` }
}

function logOf({ output }: Service) {
  const lines = output().split('\n')
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
}

/** The processes that have told that they listen, the oldest first. */
function workersOf(service: Service): number[] {
  const lines = logOf(service).filter(({ msg }) => /^Server listening/.test(msg))
  return [...new Set<number>(lines.map(({ pid }) => pid))]
}

function countEvents(service: Service, name: string): number {
  return logOf(service).filter(({ event }) => event === name).length
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A client whose connection each of the two workers has; the log, which holds each request here, tells which. */
async function clientOfEachWorker(t: Test, service: Service, headers: Headers): Promise<[Client, Client]> {
  const clients = new Map<number, Client>()
  while (clients.size < 2) {
    const client = new Client(t, service.url, headers)
    const { id } = await client.send('GET', '/health/live')
    const { pid } = await until(() => logOf(service).find(({ reqId }) => reqId === id))
    clients.set(pid, client)
  }
  return [...clients.values()] as [Client, Client]
}

t.test('several workers are one service', async (t) => {
  const METRICS_PORT = String(await freePort())
  const variables = { METRICS_PORT, WORKERS: '2', LOG_LEVEL: 'debug', RATE_LIMIT: 'off' }
  const service = await startServer(t, variables)
  const { url, output, folder } = service
  const headers = await signIn(url)
  const [one, other] = await clientOfEachWorker(t, service, headers)

  t.test('the start is told once, when all listen', async (t) => {
    t.equal(workersOf(service).length, 2)
    for (const line of [`Library API   ${url}`, `docs          ${url}/docs`, 'data          '])
      t.equal(output().split(line).length, 2, line)
  })

  t.test('one scrape tells of both', async (t) => {
    const before = await scrape(METRICS_PORT)
    const isExpected = process.platform === 'linux'
    if (isExpected) t.strictSame([...before.keys()].sort(), [...documented().keys()].sort())
    for (const client of [one, other, other]) await client.send('GET', '/problems')
    const after = await scrape(METRICS_PORT)
    t.equal(answersAt(after, '/problems') - answersAt(before, '/problems'), 3)
    t.equal(sum(after, 'library_workers', { state: 'serving' }), 2)
    t.equal(sum(after, 'library_users'), 1, 'what both would see is told by one')
    t.equal(sum(after, 'library_info'), 1)
    t.ok(sum(after, 'library_http_connections') >= 2)
    t.equal(after.get('process_start_time_seconds')?.samples.length, 1)
    const labels = (after.get('library_http_request_duration_seconds') as Metric).samples
    t.notOk(labels.some((sample) => 'worker' in sample.labels || 'pid' in sample.labels))
  })

  t.test('what one worker has acknowledged every other answers at once', async (t) => {
    const created = await one.send('POST', '/authors', AUTHOR)
    const author = `/authors/${created.json.id}`
    for (let year = 1; year <= 200; year++) {
      const [writer, reader] = year % 3 === 0 ? [other, one] : [one, other]
      t.equal((await writer.send('PATCH', author, { birth_year: year }, MERGE_PATCH)).status, 200)
      t.match(await reader.send('GET', author), { status: 200, json: { birth_year: year } })
      t.match(await reader.send('GET', '/authors?limit=5'), { json: { data: [{ birth_year: year }] } })
    }
  })

  t.test('a session that one worker ends is refused by every other at once', async (t) => {
    for (let i = 0; i < 5; i++) {
      const session = await signIn(url)
      t.equal((await other.send('GET', '/me', undefined, session)).status, 200)
      t.equal((await one.send('POST', '/logout', undefined, session)).status, 204)
      t.equal((await other.send('GET', '/me', undefined, session)).status, 401)
    }
  })

  t.test('a request that is repeated at once on another worker is done once', async (t) => {
    for (let i = 0; i < 25; i++) {
      const key = { 'idempotency-key': `key-${i}` }
      const author = { ...AUTHOR, name: `Twin ${i}` }
      const answers = await Promise.all(
        [one, other].map((client) => client.send('POST', '/authors', author, key))
      )
      const created = answers.filter(({ status }) => status === 201)
      t.equal(new Set(created.map(({ json }) => json.id)).size, 1)
      for (const { status, json } of answers)
        if (status !== 201) t.match(json, { code: 'IDEMPOTENCY_KEY_IN_USE' })
    }
    const names = await allNames(one)
    t.equal(names.filter((name) => name.startsWith('Twin ')).length, 25)
  })

  t.test('all of them take over a new signing key', async (t) => {
    const env = { ...process.env, DATABASE_URL: path.join(folder, 'library.db') }
    await run(process.execPath, ['scripts/keys.ts', 'rotate', '--announce', '0'], { cwd: ROOT, env })
    for (const client of [one, other]) t.ok(await until(async () => (await publishedKeys(client)) === 2))
    const session = await signIn(url)
    for (const client of [one, other]) {
      t.equal((await client.send('GET', '/me', undefined, session)).status, 200)
      t.equal((await client.send('GET', '/me')).status, 200, 'and tokens of the old one are good')
    }
  })

  t.test('the streams of one user are not more than one process gives', async (t) => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => fetch(`${url}/changes/stream`, { headers }))
    )
    const open = answers.filter(({ status }) => status === 200)
    t.ok(open.length >= 5 && open.length <= 10, `${open.length}`)
    for (const { body } of answers) await body?.cancel()
  })

  t.test('what makes a start impossible is told once', async (t) => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ WORKERS: '65' }, /^WORKERS is "65", but must be auto .* or a whole number from 1 to 64\.$/],
      [{ METRICS_PORT: new URL(url).port }, /^Port \d+ of 127\.0\.0\.1 .* Set METRICS_PORT to another/],
      [{ PORT: new URL(url).port }, /^Port \d+ of 127\.0\.0\.1 is already in use \(EADDRINUSE\)/]
    ]
    const refuse = async ([variables, message]: (typeof cases)[number]) => {
      const refused = await startServer(t, { WORKERS: '2', ...variables })
      t.equal(await refused.exited, 1)
      const told = refusalIn(refused.output())
      t.match(told, [message])
      t.equal(told.length, 1)
    }
    await Promise.all(cases.map(refuse))
  })

  t.test('without their primary the workers end by themselves', async (t) => {
    service.child.kill('SIGKILL')
    await service.exited
    t.pass('for the output, which they share, has ended')
    t.notOk(existsSync(path.join(folder, 'library.db-wal')), 'the database was closed')
  })
})

async function scrape(port: string): Promise<Map<string, Metric>> {
  return parse(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text())
}

function answersAt(metrics: Map<string, Metric>, route: string): number {
  return sum(metrics, 'library_http_request_duration_seconds_count', { route })
}

async function allNames(client: Client): Promise<string[]> {
  const { json } = await client.send('GET', '/authors?limit=100')
  return (json.data as unknown as { name: string }[]).map(({ name }) => name)
}

async function publishedKeys(client: Client): Promise<number> {
  const { json } = await client.send('GET', '/.well-known/jwks.json')
  return (json as unknown as { keys: object[] }).keys.length
}

/** Clients that send one request after the other on connections that they keep open, until they are told to stop. */
function keepBusy(t: Test, url: string, headers: Headers, author: string) {
  const failures: unknown[] = []
  let answered = 0
  let isOver = false
  const work = async (number: number) => {
    const client = new Client(t, url, headers)
    for (let i = 0; !isOver; i++) {
      const isRead = number % 2 === 0
      const body = { ...AUTHOR, name: `Author ${number} ${i}` }
      const sent = isRead ? client.send('GET', author) : client.send('POST', '/authors', body)
      const answer = await sent.catch((error) => error)
      if (answer.status === (isRead ? 200 : 201)) answered += 1
      else failures.push(answer)
      // A pause of any length, so that connections are idle too.
      await sleep(Math.random() * 80)
    }
  }
  const done = Promise.all(Array.from({ length: 24 }, (_, number) => work(number)))
  const stop = async () => {
    isOver = true
    await done
    return { failures, answered }
  }
  return { stop }
}

/** Scrapes one time after the other how often a route has answered. */
function keepCounting(port: string, route: string) {
  const counts: number[] = []
  let isOver = false
  const work = async () => {
    while (!isOver) counts.push(answersAt(await scrape(port), route))
    return counts
  }
  const done = work()
  const stop = () => {
    isOver = true
    return done
  }
  return { stop }
}

/** Follows the changes through all breaks of the stream, as a browser does; gives the sequence numbers on request. */
function followChanges(url: string, headers: Headers) {
  const seen: number[] = []
  let breaks = 0
  const over = new AbortController()
  const follow = async () => {
    const more: Headers = seen.length > 0 ? { 'last-event-id': String(seen.at(-1)) } : {}
    const answer = await fetch(`${url}/changes/stream?since=0`, {
      headers: { ...headers, ...more },
      signal: over.signal
    })
    let text = ''
    for await (const chunk of answer.body as ReadableStream<Uint8Array>) {
      text += Buffer.from(chunk).toString()
      const events = text.split('\n\n')
      text = events.pop() as string
      for (const event of events)
        seen.push(...[...event.matchAll(/^id: (\d+)/gm)].map(([, id]) => Number(id)))
    }
    breaks += 1
  }
  const followOn = async () => {
    while (!over.signal.aborted) await follow()
  }
  followOn().catch(() => {})
  return { seen, breaks: () => breaks, stop: () => over.abort() }
}

t.test('workers are replaced without refusing a request, and all end together', async (t) => {
  const METRICS_PORT = String(await freePort())
  const service = await startServer(t, { METRICS_PORT, WORKERS: '2' })
  const { url, child, exited, folder } = service
  const headers = await signIn(url)
  const { json } = await new Client(t, url, headers).send('POST', '/authors', AUTHOR, CLOSE)

  const forgotten = new Client(t, url, headers)

  t.test('SIGHUP rolls them under the hands of busy clients', async (t) => {
    const idle = [new Client(t, url, headers), forgotten]
    for (const client of idle) await client.send('GET', '/me')
    const counting = keepCounting(METRICS_PORT, '/authors')
    const load = keepBusy(t, url, headers, `/authors/${json.id}`)
    const changes = followChanges(url, headers)
    const before = workersOf(service)
    child.kill('SIGHUP')
    await until(() => countEvents(service, 'roll_began') === 1)
    child.kill('SIGHUP')
    child.kill('SIGHUP')
    await until(() => countEvents(service, 'roll_ended') === 2)
    t.equal((await idle[0]?.send('GET', '/me'))?.status, 200, 'on a connection that was idle all the time')
    await until(() => workersOf(service).filter(isRunning).length === 3)
    t.equal(before.filter(isRunning).length, 1, 'which keeps a connection that is still open')
    t.equal(countEvents(service, 'roll_began'), 2, 'what is asked for during a roll is done after it, once')
    const { failures, answered } = await load.stop()
    t.strictSame(failures, [])
    t.ok(answered > 100, `${answered} requests`)
    const counts = await counting.stop()
    t.ok(counts.length > 5, `${counts.length} scrapes meanwhile`)
    t.strictSame(
      counts,
      counts.toSorted((a, b) => a - b),
      'no count falls when its worker ends'
    )
    const total = await lastChange(url, headers)
    await until(() => changes.seen.at(-1) === total)
    t.strictSame(
      changes.seen,
      Array.from({ length: total }, (_, index) => index + 1)
    )
    t.ok(changes.breaks() > 0, 'though its stream was ended')
    changes.stop()
  })

  t.test('one that is killed is replaced as soon as that can be, and the others go on', async (t) => {
    const keys = path.join(folder, 'library.db.keys.json')
    renameSync(keys, `${keys}.away`)
    child.kill('SIGHUP')
    await until(() => countEvents(service, 'roll_failed'))
    const victim = workersOf(service).filter(isRunning).at(-1)
    const before = workersOf(service).length
    const countedBefore = answersAt(await scrape(METRICS_PORT), '/authors')
    process.kill(victim as number, 'SIGKILL')
    await until(() => countEvents(service, 'worker_died'))
    t.match(
      logOf(service).find(({ event }) => event === 'worker_died'),
      { worker: victim, code: null, signal: 'SIGKILL', level: 50 }
    )
    await until(() => countEvents(service, 'worker_failed'))
    renameSync(`${keys}.away`, keys)
    await until(async () => {
      const { status } = await new Client(t, url, headers).send(
        'GET',
        `/authors/${json.id}`,
        undefined,
        CLOSE
      )
      t.equal(status, 200)
      return workersOf(service).length > before
    })
    const serving = async () => sum(await scrape(METRICS_PORT), 'library_workers', { state: 'serving' })
    await until(async () => (await serving()) === 2)
    const metrics = await scrape(METRICS_PORT)
    t.equal(sum(metrics, 'library_worker_deaths_total'), 1)
    t.ok(answersAt(metrics, '/authors') >= countedBefore, 'what it had counted is kept')
  })

  t.test('SIGTERM ends them all', async (t) => {
    const workers = workersOf(service)
    for (const worker of workers.filter(isRunning)) process.kill(worker, 'SIGTERM')
    child.kill('SIGTERM')
    t.equal(await exited, 0)
    t.notOk(workers.some(isRunning))
    t.notOk(existsSync(path.join(folder, 'library.db-wal')), 'the database was closed')
  })
})

async function lastChange(url: string, headers: Headers): Promise<number> {
  let since = 0
  for (let next: string | null = '/changes?since=0&limit=100'; next !== null; ) {
    const page = await fetch(url + next, { headers: { ...headers, ...CLOSE } })
    const { data, next: following } = (await page.json()) as {
      data: { sequence: number }[]
      next: string | null
    }
    since = data.at(-1)?.sequence ?? since
    next = following
  }
  return since
}

t.test('SIGTERM while workers are still starting ends the service', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const env = { ...process.env, WORKERS: '3', PORT: '0', DATABASE_URL, LOG_LEVEL: 'info' }
  const child = spawn(process.execPath, ['server.js'], { cwd: ROOT, env })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for await (const data of child.stdout) {
    output += data
    // The first, after which the others are forked.
    if (output.includes('Server listening')) break
  }
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  t.notMatch(output, 'docs  ', 'it had not announced itself')
})
