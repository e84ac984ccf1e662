/** `npm run bench [-- --rounds 5 --seconds 3]`: the service's requests per second beside those of a raw node:http server that sends the same bytes. */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import pLimit from 'p-limit'
import { type Headers, signIn, startService } from '../scripts/service-process.ts'

const AUTHORS = 1000
const CONNECTIONS = 64
const WARM_UP_SECONDS = 1
const CREATED = `{"name": "%s", "book": "Midnight's Children", "country": "India", "booker_prize": true}`

type Answer = Awaited<ReturnType<typeof capture>>
type Answers = Record<'list' | 'single' | 'created', Answer>
type Scenario = ReturnType<typeof scenariosFor>[number]
type Load = ReturnType<typeof loadGenerator>
type Pair = { service: Run; raw: Run }
type Options = { rounds: number; seconds: number }

/** What wrk measured in one run; the latencies are in milliseconds. */
interface Run {
  rate: number
  p50: number
  p99: number
  failed: number
}

/** Each with the Lua functions by which wrk makes its requests; `unique` is another text in every run. */
function scenariosFor(ids: string[]) {
  const list = (paths: string[]) => `
    local requests = {}
    function init()
      for i, path in ipairs({ "${paths.join('", "')}" }) do requests[i] = wrk.format("GET", path, headers) end
    end
    function request() return requests[math.random(#requests)] end`
  const create = (unique: string) => `
    local counter = 0
    function request()
      counter = counter + 1
      return wrk.format("POST", "/authors", headers, string.format([[${CREATED}]], "${unique} " .. counter))
    end`
  return [
    { name: 'GET /authors?limit=20', lua: () => list(['/authors?limit=20']) },
    { name: 'GET /authors/{id}', lua: () => list(ids.map((id) => `/authors/${id}`)) },
    { name: 'POST /authors', lua: create }
  ]
}

const REPORT = `
  function done(summary, latency)
    local errors = summary.errors
    local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
    print(string.format('RESULT {"rate": %f, "p50": %f, "p99": %f, "failed": %d}',
      summary.requests / summary.duration * 1e6,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
  end`

/** A function that lets wrk put load on a server for some seconds. */
function loadGenerator(folder: string, headers: Headers) {
  const fields = Object.entries(headers).map(([name, value]) => `["${name}"] = "${value}"`)
  const script = path.join(folder, 'wrk.lua')
  let runs = 0
  return async (url: string, scenario: Scenario, seconds: number): Promise<Run> => {
    runs += 1
    const parts = [`local headers = { ${fields.join(', ')} }`, scenario.lua(`Run ${runs}`), REPORT]
    writeFileSync(script, parts.join('\n'))
    const settings = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', script]
    const { stdout } = await promisify(execFile)('wrk', [...settings, url])
    return JSON.parse(/^RESULT (.+)$/m.exec(stdout)?.[1] ?? '')
  }
}

async function createAuthors(url: string, headers: Headers): Promise<string[]> {
  const numbers = Array.from({ length: AUTHORS }, (_, index) => index)
  return pLimit(CONNECTIONS).map(numbers, async (number) => {
    const body = CREATED.replace('%s', `Author ${number}`)
    const answer = await fetch(`${url}/authors`, { method: 'POST', headers, body })
    return ((await answer.json()) as { id: string }).id
  })
}

/** What the service answers once, for the raw server to answer always. */
async function capture(url: string, headers: Headers, body?: string) {
  const answer = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    body: body ?? null
  })
  const text = await answer.text()
  const type = answer.headers.get('content-type') ?? ''
  return {
    status: answer.status,
    headers: { 'content-type': type, 'content-length': Buffer.byteLength(text) },
    body: text
  }
}

/** The floor under every Node service: reads the request, and answers bytes that it has at hand. */
function serveRaw(answers: Answers): void {
  const server = createServer((request, response) => {
    const send = ({ status, headers, body }: Answer) => response.writeHead(status, headers).end(body)
    if (request.method === 'POST') request.on('end', () => send(answers.created)).resume()
    else send(request.url?.startsWith('/authors?') ? answers.list : answers.single)
  })
  process.once('disconnect', () => process.exit())
  server.listen(0, '127.0.0.1', () =>
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  )
}

async function captureAnswers(url: string, headers: Headers, ids: string[]): Promise<Answers> {
  return {
    list: await capture(`${url}/authors?limit=20`, headers),
    single: await capture(`${url}/authors/${ids[0]}`, headers),
    created: await capture(`${url}/authors`, headers, CREATED.replace('%s', 'Captured'))
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** One line of the table; the ratio is taken from each pair of neighbouring runs, so that a slow moment of the machine hits both. */
function toLine({ name }: Scenario, pairs: Pair[]): string {
  const ratios = pairs.map(({ service, raw }) => service.rate / raw.rate)
  const spread = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2)).join(' to ')
  const of = (key: keyof Run) => median(pairs.map(({ service }) => service[key])).toFixed(1)
  const rate = (key: 'service' | 'raw') =>
    Math.round(median(pairs.map((pair) => pair[key].rate))).toLocaleString('en')
  const failed = pairs.reduce((total, { service }) => total + service.failed, 0)
  return `| ${name} | ${rate('service')} | ${rate('raw')} | ${median(ratios).toFixed(2)} (${spread}) | ${of('p50')} | ${of('p99')} | ${failed} |`
}

async function measure(load: Load, service: string, raw: string, scenario: Scenario, options: Options) {
  for (const url of [service, raw]) await load(url, scenario, WARM_UP_SECONDS)
  const pairs: Pair[] = []
  while (pairs.length < options.rounds) {
    pairs.push({
      service: await load(service, scenario, options.seconds),
      raw: await load(raw, scenario, options.seconds)
    })
  }
  console.log(toLine(scenario, pairs))
  if (pairs.some((pair) => pair.service.failed > 0)) process.exitCode = 1
}

async function bench(folder: string, options: Options): Promise<void> {
  const service = await startService(path.join(folder, 'library.db'))
  const raw = fork(import.meta.filename, ['raw'])
  try {
    const headers = await signIn(service.url)
    const ids = await createAuthors(service.url, headers)
    raw.send(await captureAnswers(service.url, headers, ids))
    const [rawUrl] = await once(raw, 'message')
    const load = loadGenerator(folder, headers)
    console.log('| scenario | service req/s | raw req/s | ratio (spread) | p50 ms | p99 ms | failed |')
    console.log('|---|---|---|---|---|---|---|')
    for (const scenario of scenariosFor(ids)) await measure(load, service.url, rawUrl, scenario, options)
  } finally {
    raw.kill()
    await service.end('SIGTERM')
  }
}

async function main(): Promise<void> {
  const options = {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' }
  } as const
  const { rounds, seconds } = parseArgs({ options }).values
  const folder = mkdtempSync(path.join(tmpdir(), 'library-bench-'))
  try {
    await bench(folder, { rounds: Number(rounds), seconds: Number(seconds) })
    console.log(
      `\nMedians of ${rounds} runs of ${seconds} s, ${CONNECTIONS} connections, ${AUTHORS} authors.`
    )
    console.log(`${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}`)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).syscall === 'spawn wrk'
    console.error(
      isMissing ? 'wrk is missing: install it with "apt install wrk" or "brew install wrk".' : error
    )
    process.exitCode = 1
  }
  rmSync(folder, { recursive: true })
}

if (process.argv[2] === 'raw') process.once('message', serveRaw)
else await main()
