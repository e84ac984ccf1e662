/**
 * `npm run bench:catalogue [-- --authors 1000000 --seconds 10]`: a large catalogue goes into the service as a file and comes out
 * again, byte for byte, while somebody reads; then authors are looked for in it in every way.
 * Exits with 1 when anything that came out differs from what went in.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { json, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'csv-parse'
import { helpIfAsked, readCommandLine } from '../scripts/command-line/read.ts'
import { type Headers, type Service, signIn, startService } from '../scripts/service-process.ts'
import { ndjsonOf, WORDS } from './generate-authors.ts'
import { residentMegabytes } from './process-usage.ts'

const CSV = 'text/csv'
const NDJSON = 'application/x-ndjson'
const READ_EVERY_MS = 5
const LOOK_EVERY_MS = 50
const ROUNDS = 300
const TARGET = 5
/** So much of the catalogue lies before a deep page. */
const DEPTH = 0.9
const SORTS = ['-created_at', 'name', 'updated_at', 'birth_year'] as const
const VARIABLES = { RATE_LIMIT: 'off', ACCESS_TOKEN_TTL: '86400' }

type Log = (line: string) => void

export interface RoundTrip {
  authors: number
  /** Where all files are put; the caller's to remove. */
  folder: string
  /** For so long the reads go on after an import. */
  settleSeconds: number
  log: Log
  /** Damages the data between import and export, to prove that it would be noticed. */
  sabotage?: (databaseFile: string) => void
}

/** A service with its database, and a client that is signed in. */
export interface Running {
  service: Service
  headers: Headers
  databaseFile: string
}

async function start(folder: string, name: string): Promise<Running> {
  const databaseFile = path.join(folder, `${name}.db`)
  const service = await startService(databaseFile, VARIABLES)
  return { service, headers: await signIn(service.url), databaseFile }
}

// What comes out, against what went in.

/** Where two streams of bytes differ first; undefined when they are the same. */
export async function differenceOfBytes(
  expected: AsyncIterable<Buffer>,
  actual: AsyncIterable<Buffer>
): Promise<string | undefined> {
  const source = expected[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)
  let [offset, line] = [0, 1]
  for await (let chunk of actual) {
    while (chunk.length > 0) {
      if (rest.length === 0) rest = (await source.next()).value ?? Buffer.alloc(0)
      const length = Math.min(rest.length, chunk.length)
      if (length === 0) return `more comes out than went in: after byte ${offset}`
      const [a, b] = [rest.subarray(0, length), chunk.subarray(0, length)]
      if (!a.equals(b)) {
        const at = a.findIndex((byte, index) => byte !== b[index])
        return `byte ${offset + at}, in line ${line + lineFeedsIn(a.subarray(0, at))}`
      }
      offset += length
      line += lineFeedsIn(a)
      rest = rest.subarray(length)
      chunk = chunk.subarray(length)
    }
  }
  if (rest.length > 0 || !(await source.next()).done)
    return `less comes out than went in: only ${offset} bytes`
  return undefined
}

function lineFeedsIn(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1
  return count
}

/** Where the records of a CSV file say something else than the lines of an NDJSON file; undefined when they nowhere do. */
export async function differenceOfRecords(
  ndjson: AsyncIterable<Buffer>,
  csv: AsyncIterable<Buffer>
): Promise<string | undefined> {
  const lines = linesOf(ndjson)
  const records = Readable.from(csv, { objectMode: false }).pipe(parse({ columns: true, cast: readCell }))
  let number = 0
  for await (const record of records as AsyncIterable<Record<string, unknown>>) {
    number += 1
    const { value: line, done } = await lines.next()
    if (done) return `record ${number} is one too many`
    const differing = differingField(JSON.parse(line), record)
    if (differing !== undefined) return `${differing} of record ${number}`
  }
  return (await lines.next()).done ? undefined : `only ${number} records`
}

/** Not by `node:readline`, which ends a line at U+2028 too. */
async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of bytes) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() as string
    yield* lines
  }
}

/** As the documentation says: an empty cell is null, a quoted one is a text; an apostrophe is taken from before a formula. */
function readCell(text: string, { quoting }: { quoting: boolean }): string | null {
  if (text === '' && !quoting) return null
  let at = 0
  while (text[at] === "'") at += 1
  return at > 0 && '=+-@\t\r＝＋－＠'.includes(text[at] ?? ' ') ? text.slice(1) : text
}

function differingField(
  author: Record<string, unknown>,
  record: Record<string, unknown>
): string | undefined {
  const { identifiers, ...others } = author
  const flat = { ...others, ...(identifiers as object) }
  const fields = Object.entries(flat).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : asCell(value)
  ])
  if (fields.length !== Object.keys(record).length) return 'the number of fields'
  return fields.find(([name, value]) => record[name as string] !== value)?.[0] as string | undefined
}

function asCell(value: unknown): string | null {
  return value === null ? null : String(value)
}

// Files in and out.

function send({ service, headers }: Running, method: string, url: string, more: Headers, agent?: Agent) {
  return request(service.url + url, { method, headers: { ...headers, ...more }, ...(agent && { agent }) })
}

/** `onSent` is called when all bytes are on their way. */
export async function importFile(
  running: Running,
  file: string,
  type: string,
  onSent: () => void
): Promise<unknown> {
  const upload = send(running, 'POST', '/authors/import', {
    'content-type': type,
    'content-length': String(statSync(file).size)
  })
  const answered = once(upload, 'response')
  await Promise.race([pipeline(createReadStream(file), upload), answered])
  onSent()
  const [answer] = (await answered) as [IncomingMessage]
  const result = await json(answer)
  if (answer.statusCode !== 200) throw new Error(`the import answered ${JSON.stringify(result)}`)
  return result
}

/** The bytes of an export; throws when its trailer does not tell the number of authors. */
async function* exportOf(running: Running, type: string, authors: number): AsyncGenerator<Buffer> {
  const download = send(running, 'GET', '/authors/export', { accept: type }).end()
  const [answer] = (await once(download, 'response')) as [IncomingMessage]
  if (answer.statusCode !== 200) throw new Error(`the export answered ${answer.statusCode}`)
  yield* answer
  const count = answer.trailers['row-count']
  if (count !== String(authors)) throw new Error(`the export's row-count is ${count}, not ${authors}`)
}

// What others notice of it.

export interface Sample {
  /** When it was sent, in ms since 1970. */
  at: number
  milliseconds: number
  status: number
}

interface ReaderInput {
  url: string
  headers: Headers
  paths: string[]
}

/** A client of its own, in a process of its own: a read every 5 ms, whether or not those before it have been answered. */
async function readSteadily({ url, headers, paths }: ReaderInput): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const samples: Promise<Sample>[] = []
  const read = async (path: string): Promise<Sample> => {
    const at = now()
    const status = await get(url + path, headers, agent).then(
      (answer) => answer.status,
      () => 0
    )
    return { at, milliseconds: now() - at, status }
  }
  const timer = setInterval(
    () => samples.push(read(paths[samples.length % paths.length] as string)),
    READ_EVERY_MS
  )
  process.once('disconnect', () => process.exit())
  process.send?.('reading')
  await once(process, 'message')
  clearInterval(timer)
  // With those that still wait for their answer, or else the slowest would not count.
  process.send?.(await Promise.all(samples), () => process.exit())
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

export async function get(
  url: string,
  headers: Headers,
  agent: Agent
): Promise<{ status: number; text: string }> {
  const asked = request(url, { headers, agent }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  return { status: answer.statusCode ?? 0, text: await text(answer) }
}

/** Reads until `stop()`, which gives what was noticed. */
export async function startReader(running: Running, paths: string[]) {
  const child = fork(import.meta.filename, ['reader'], { execArgv: [] })
  child.send({ url: running.service.url, headers: running.headers, paths } satisfies ReaderInput)
  await once(child, 'message')
  return {
    async stop(): Promise<Sample[]> {
      child.send('stop')
      const [samples] = await once(child, 'message')
      return samples as Sample[]
    },
    end: () => child.kill()
  }
}

interface Phase {
  name: string
  from: number
  to: number
  /** How many authors were handled, where that is what took the time. */
  rows: number | undefined
  peakMegabytes: number
  peakLogMegabytes: number
}

/** Notes in which phases the time goes by, and how much memory and disk they take. */
class Watch {
  readonly phases: Phase[] = []
  readonly #running: Running
  readonly #timer = setInterval(() => this.#look(), LOOK_EVERY_MS)

  constructor(running: Running) {
    this.#running = running
  }

  begin(name: string, rows?: number): void {
    this.#look()
    this.phases.push({
      name,
      from: now(),
      to: Number.POSITIVE_INFINITY,
      rows,
      peakMegabytes: 0,
      peakLogMegabytes: 0
    })
    this.#look()
  }

  end(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const phase = this.phases.at(-1)
    if (phase === undefined) return
    phase.to = now()
    phase.peakMegabytes = Math.max(phase.peakMegabytes, residentMegabytes(this.#running.service.pid))
    phase.peakLogMegabytes = Math.max(
      phase.peakLogMegabytes,
      megabytesOf(`${this.#running.databaseFile}-wal`)
    )
  }
}

function megabytesOf(file: string): number {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) / 1024 / 1024
}

function quantile(values: number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN
}

/** p50, p99 and the longest. */
export function timesOf(values: number[]): string {
  return [quantile(values, 0.5), quantile(values, 0.99), Math.max(...values)]
    .map((value) => value.toFixed(1))
    .join(' | ')
}

const PHASES_HEADER = `| phase | s | rows/s | RSS peak MB | WAL peak MB | reads | not 200 | p50 ms | p99 ms | max ms |
|---|---|---|---|---|---|---|---|---|---|`

function phaseLine(
  { name, from, to, rows, peakMegabytes, peakLogMegabytes }: Phase,
  samples: Sample[]
): string {
  const during = samples.filter(({ at }) => at >= from && at < to)
  const seconds = (to - from) / 1000
  const rate = rows === undefined ? '' : Math.round(rows / seconds).toLocaleString('en')
  const sizes = [peakMegabytes, peakLogMegabytes].map((value) => value.toFixed(0)).join(' | ')
  const failed = during.filter(({ status }) => status !== 200).length
  const times = timesOf(during.map(({ milliseconds }) => milliseconds))
  return `| ${name} | ${seconds.toFixed(1)} | ${rate} | ${sizes} | ${during.length} | ${failed} | ${times} |`
}

type Begin = (phase: string, rows?: number) => void

/** Does the work while somebody reads, and logs what was noticed in each phase that it begins. */
async function observed(
  running: Running,
  { paths, log }: { paths: string[]; log: Log },
  work: (begin: Begin) => Promise<void>
): Promise<void> {
  const reader = await startReader(running, paths)
  const watch = new Watch(running)
  try {
    await work((phase, rows) => watch.begin(phase, rows))
    watch.end()
    const samples = await reader.stop()
    log(`\n${PHASES_HEADER}`)
    for (const phase of watch.phases) log(phaseLine(phase, samples))
  } finally {
    watch.end()
    reader.end()
  }
}

// There and back again.

/**
 * Imports the authors as NDJSON while somebody reads, and exports them in both formats; the faults say where these differ from
 * what went in. The files stay in the folder.
 */
export async function roundTrip({ authors, folder, settleSeconds, log, sabotage }: RoundTrip) {
  const { sent, exported } = filesIn(folder)
  await pipeline(Readable.from(ndjsonOf(authors)), createWriteStream(sent))
  log(`${authors.toLocaleString('en')} authors, ${megabytesOf(sent).toFixed(0)} MB as NDJSON`)
  const running = await start(folder, 'first')
  const faults: string[] = []
  try {
    const paths = await pathsToRead(running, folder)
    await observed(running, { paths, log }, async (begin) => {
      begin('before')
      await sleep(1000 * Math.min(3, settleSeconds))
      begin('upload')
      const result = await importFile(running, sent, NDJSON, () => begin('write', authors))
      log(`import: ${JSON.stringify(result)}`)
      begin(`${settleSeconds} s after`)
      log(`the first write after it: ${(await timeOfWrite(running)).toFixed(1)} ms`)
      await sleep(settleSeconds * 1000)
      sabotage?.(running.databaseFile)
      begin('export as NDJSON', authors)
      faults.push(...(await faultsOfNdjson(running, sent, authors)))
      begin('export as CSV', authors)
      await pipeline(exportOf(running, CSV, authors), createWriteStream(exported))
    })
  } finally {
    await running.service.end('SIGTERM')
  }
  const difference = await differenceOfRecords(createReadStream(sent), createReadStream(exported))
  if (difference !== undefined) faults.push(`CSV differs: ${difference}`)
  return { faults, databaseFile: running.databaseFile, headers: running.headers }
}

/** Imports the CSV that a round trip exported into a second service, whose NDJSON must be the same again. */
export async function roundTripOfCsv({ authors, folder, log }: RoundTrip): Promise<string[]> {
  const { sent, exported } = filesIn(folder)
  const running = await start(folder, 'second')
  try {
    await observed(running, { paths: ['/authors?limit=20'], log }, async (begin) => {
      begin('upload of CSV')
      await importFile(running, exported, CSV, () => begin('write of CSV', authors))
    })
    return await faultsOfNdjson(running, sent, authors)
  } finally {
    await running.service.end('SIGTERM')
  }
}

/** A new author, which is deleted at once. The first write after an import has the log begin at its start, and cut to size. */
async function timeOfWrite({ service, headers }: Running): Promise<number> {
  const body = JSON.stringify({ name: 'Come and Gone', book: 'In Between', country: 'Nowhere' })
  const begun = performance.now()
  const created = await fetch(`${service.url}/authors`, { method: 'POST', headers, body })
  const milliseconds = performance.now() - begun
  const url = service.url + created.headers.get('location')
  const { authorization = '' } = headers
  const deleted = await fetch(url, { method: 'DELETE', headers: { authorization } })
  if (deleted.status !== 204) throw new Error(`writes answered ${created.status} and ${deleted.status}`)
  return milliseconds
}

function filesIn(folder: string) {
  return { sent: path.join(folder, 'sent.ndjson'), exported: path.join(folder, 'exported.csv') }
}

async function faultsOfNdjson(running: Running, sent: string, authors: number): Promise<string[]> {
  const difference = await differenceOfBytes(createReadStream(sent), exportOf(running, NDJSON, authors))
  return difference === undefined ? [] : [`NDJSON differs: ${difference}`]
}

/** The newest authors, and one that is there before all others: the first of the file, which then is unchanged in the import. */
async function pathsToRead(running: Running, folder: string): Promise<string[]> {
  const firstLine = path.join(folder, 'first.ndjson')
  for await (const line of linesOf(createReadStream(filesIn(folder).sent))) {
    writeFileSync(firstLine, `${line}\n`)
    break
  }
  await importFile(running, firstLine, NDJSON, () => {})
  const page = await fetch(`${running.service.url}/authors`, { headers: running.headers })
  const { data } = (await page.json()) as { data: { id: string }[] }
  return ['/authors?limit=20', `/authors/${data[0]?.id}`]
}

// Finding.

interface Scenario {
  name: string
  url: string
  /** Whether its p99 is to be under five times the first page's. */
  isTarget: boolean
  times: number[]
}

/** A page that lies deep in the list, by following the links to it. */
async function findDeepPage(
  list: string,
  authors: number,
  ask: (url: string) => Promise<string>
): Promise<string> {
  let next = `${list}&limit=100`
  for (let passed = 0; passed < authors * DEPTH; passed += 100) next = JSON.parse(await ask(next)).next
  return next.replace('limit=100', 'limit=20')
}

async function scenariosFor(authors: number, ask: (url: string) => Promise<string>): Promise<Scenario[]> {
  const scenarios: Scenario[] = []
  const add = (name: string, url: string, isTarget = false) =>
    scenarios.push({ name, url, isTarget, times: [] })
  const find = (query: string, isTarget = false) => add(query, `/authors?${query}`, isTarget)
  add('first page', '/authors', true)
  for (const sort of SORTS) {
    add(`deep page, sort=${sort}`, await findDeepPage(`/authors?sort=${sort}`, authors, ask), true)
  }
  const [common, common2] = WORDS.common as [string, string]
  find(`q=${WORDS.rare}`, true)
  find(`q=${common}`, true)
  find(`q=${WORDS.absent}`, true)
  find(`q=${WORDS.mid}`)
  find(`q=${common}+${common2}`)
  find(`q=${WORDS.apart.join('+')}`)
  find(`q=${common}&sort=name`)
  find('country=India')
  find('country=India&sort=name')
  find('booker_prize=true')
  find('birth_year.gte=1900&birth_year.lte=1950&sort=-name')
  find('owner=me')
  find('count=true')
  find(`q=${common}&count=true`)
  return scenarios
}

/** One request of each scenario in turn, so that a slow moment of the machine hits all alike; a slow scenario ends early. */
async function findAuthors(running: Running, authors: number, secondsEach: number, log: Log): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = async (url: string) => {
    const answer = await get(running.service.url + url, running.headers, agent)
    if (answer.status !== 200) throw new Error(`GET ${url} answered ${answer.status}: ${answer.text}`)
    return answer.text
  }
  const scenarios = await scenariosFor(authors, ask)
  for (let round = 0; round < ROUNDS; round++) {
    for (const { url, times } of scenarios) {
      if (times.reduce((sum, time) => sum + time, 0) > secondsEach * 1000) continue
      const begun = performance.now()
      await ask(url)
      times.push(performance.now() - begun)
    }
  }
  agent.destroy()
  log('\n| finding | requests | p50 ms | p99 ms | max ms | p99 / that of the first page | target |')
  log('|---|---|---|---|---|---|---|')
  const floor = quantile(scenarios[0]?.times ?? [], 0.99)
  for (const scenario of scenarios) log(scenarioLine(scenario, floor))
}

function scenarioLine({ name, times, isTarget }: Scenario, floor: number): string {
  const ratio = quantile(times, 0.99) / floor
  const verdict = isTarget ? `under ${TARGET}: ${ratio < TARGET ? 'yes' : 'NO'}` : ''
  return `| ${name} | ${times.length} | ${timesOf(times)} | ${ratio.toFixed(2)} | ${verdict} |`
}

async function bench(folder: string, authors: number, secondsEach: number): Promise<string[]> {
  const log = console.log
  const options = { authors, folder, settleSeconds: 30, log }
  const { faults, databaseFile, headers } = await roundTrip(options)
  faults.push(...(await roundTripOfCsv(options)))
  log(`\n${faults.length === 0 ? 'What came out is what went in.' : faults.join('\n')}`)
  const service = await startService(databaseFile, VARIABLES)
  try {
    await findAuthors({ service, headers, databaseFile }, authors, secondsEach, log)
  } finally {
    await service.end('SIGTERM')
  }
  log(`\n${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}`)
  return faults
}

async function main(): Promise<void> {
  helpIfAsked('usage: npm run bench:catalogue -- [--authors N] [--seconds N]')
  const options = {
    authors: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '10' }
  } as const
  const { authors, seconds } = readCommandLine({
    begin: 'npm run bench:catalogue --',
    options,
    words: 0
  }).values
  const folder = mkdtempSync(path.join(tmpdir(), 'library-catalogue-'))
  try {
    const faults = await bench(folder, Number(authors), Number(seconds))
    process.exitCode = faults.length === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  if (process.argv[2] === 'reader') process.once('message', readSteadily)
  else await main()
}
