/**
 * `npm run bench:searches [-- --authors 1000000 --requests 60 --seconds 30 --service FOLDER --database FILE]`: searches in a large
 * catalogue that no cache helps with, in every order, while somebody else reads one author every 5 ms.
 * No two requests have the same address: of 60, each 20 have the limits 20 to 39, and each third another number of spaces at the
 * end of `q`. `--service` measures the service that lies in another folder. `--database` keeps the file, or searches one that such a
 * run has left. Exits with 1 when a count is not as it was made.
 */
import {
  createWriteStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { Agent } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { helpIfAsked, readCommandLine } from '../scripts/command-line/read.ts'
import { SORTS } from '../scripts/search/question.ts'
import { signIn, startService } from '../scripts/service-process.ts'
import { get, importFile, type Running, type Sample, startReader, timesOf } from './catalogue.ts'
import { COUNTRY, emptyTally, searchCatalogue, type Tally, WORD } from './search-catalogue.ts'

const NDJSON = 'application/x-ndjson'
const VARIABLES = { RATE_LIMIT: 'off', ACCESS_TOKEN_TTL: '86400' }
/** In the smallest page of a question. */
const LIMIT = 20
const LIMITS = 20
/** So many authors lie before a page that is ten pages deep. */
const DEPTH = 200
const LARGEST_PAGE = 100
/** A question that is slow is asked fewer times, but at least so often. */
const LEAST_REQUESTS = 5

export interface SearchBench {
  authors: number
  /** Of each question in each order. */
  requests: number
  /** For about so long each question is asked in each order. */
  seconds: number
  /** The caller's to remove. */
  databaseFile: string
  /** Where the service lies, if not here. */
  service?: string
  log: (line: string) => void
}

interface Question {
  name: string
  words: readonly string[]
  /** Further parameters. */
  more: Record<string, string>
  isDeep: boolean
  /** How many authors there must be, where they are counted. */
  total: keyof Tally | undefined
}

const { all, tenth, halves, rare } = WORD

function ask(name: string, words: readonly string[], more: Question['more'] = {}): Question {
  return { name, words, more, isDeep: false, total: undefined }
}

const FIRST_PAGES = [
  ask('a word that all have', [all]),
  ask('a word that a tenth has', [tenth]),
  ask('a rare word', [rare]),
  ask('two common words and the country of an eighth', [all, tenth], { country: COUNTRY })
]
const COUNTED: [Question, keyof Tally][] = [
  [ask('count of a word that all have', [all], { count: 'true' }), 'all'],
  [ask('count of a word that a tenth has', [tenth], { count: 'true' }), 'tenth']
]
const QUESTIONS: Question[] = [
  ...FIRST_PAGES,
  ask('two common words that nobody has both', halves),
  ...FIRST_PAGES.map((question) => ({ ...question, name: `${question.name}, ten pages deep`, isDeep: true })),
  ...COUNTED.map(([question, total]) => ({ ...question, total }))
]

/** Fills a service and measures; the faults say which counts are wrong. */
export async function searchBench(options: SearchBench): Promise<string[]> {
  const { databaseFile, log, service: folder = path.join(import.meta.dirname, '..') } = options
  const start = async (): Promise<Running> => {
    const service = await startService(databaseFile, VARIABLES, path.resolve(folder, 'server.js'))
    return { service, headers: await signIn(service.url), databaseFile }
  }
  const tallyFile = `${databaseFile}.tally.json`
  if (!existsSync(tallyFile)) {
    const running = await start()
    try {
      writeFileSync(tallyFile, JSON.stringify(await fill(running, options)))
    } finally {
      await running.service.end('SIGTERM')
    }
  }
  const tally: Tally = JSON.parse(readFileSync(tallyFile, 'utf8'))
  log(`${Math.round(statSync(databaseFile).size / tally.all)} bytes of the database file an author`)
  const running = await start()
  try {
    return await measureAll(running, tally, options)
  } finally {
    await running.service.end('SIGTERM')
  }
}

/** Imports the catalogue; gives what is in it. */
async function fill(running: Running, { authors, databaseFile, log }: SearchBench): Promise<Tally> {
  const file = `${databaseFile}.ndjson`
  const tally = emptyTally()
  await pipeline(Readable.from(searchCatalogue(authors, tally)), createWriteStream(file))
  const begun = performance.now()
  let sent = begun
  await importFile(running, file, NDJSON, () => {
    sent = performance.now()
  })
  const ended = performance.now()
  const rate = (from: number) => Math.round((authors * 1000) / (ended - from)).toLocaleString('en')
  log(`import: ${rate(begun)} rows/s, without the upload ${rate(sent)}`)
  rmSync(file)
  return tally
}

async function measureAll(running: Running, tally: Tally, options: SearchBench): Promise<string[]> {
  const { log } = options
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const client = new Client(running, agent)
  const faults = await faultsOf(client, tally)
  const [first] = (await client.page('/authors?limit=1')).data
  const reader = await startReader(running, [`/authors/${first?.id}`])
  try {
    const measured: Measured[] = []
    for (const question of QUESTIONS) {
      log(`measuring: ${question.name}`)
      for (const sort of SORTS) measured.push(await measure(client, question, sort, options))
    }
    const samples = await reader.stop()
    log(HEADER)
    for (const one of measured) log(lineOf(one, samples))
  } finally {
    reader.end()
    agent.destroy()
  }
  return faults
}

const HEADER = `\n| question | order | requests | p50 ms | p99 ms | worst ms | longest of the other reader ms |
|---|---|---|---|---|---|---|`

/** One client, which waits for each answer. */
class Client {
  readonly #running: Running
  readonly #agent: Agent

  constructor(running: Running, agent: Agent) {
    this.#running = running
    this.#agent = agent
  }

  async text(address: string): Promise<string> {
    const { service, headers } = this.#running
    const { status, text } = await get(service.url + address, headers, this.#agent)
    if (status !== 200) throw new Error(`GET ${address} answered ${status}: ${text}`)
    return text
  }

  async page(address: string): Promise<{ data: { id: string }[]; next: string | null; total?: number }> {
    return JSON.parse(await this.text(address))
  }
}

async function faultsOf(client: Client, tally: Tally): Promise<string[]> {
  const country = { country: COUNTRY }
  const counts: [words: readonly string[], more: Record<string, string>, expected: number][] = [
    [[all], {}, tally.all],
    [[tenth], {}, tally.tenth],
    [[rare], {}, tally.rare],
    [[all, tenth], country, tally.tenthOfCountry],
    [halves, {}, 0]
  ]
  const faults: string[] = []
  for (const [words, more, expected] of counts) {
    const query = new URLSearchParams({ q: words.join(' '), ...more, count: 'true', limit: '1' })
    const { total } = await client.page(`/authors?${query}`)
    if (total !== expected) faults.push(`${query} counts ${total}, not ${expected}`)
  }
  return faults
}

interface Measured {
  name: string
  sort: string
  times: number[]
  from: number
  to: number
}

async function measure(
  client: Client,
  question: Question,
  sort: string,
  { requests, seconds }: SearchBench
): Promise<Measured> {
  const addresses = addressesOf(client, question, sort, requests)
  const times: number[] = []
  const from = now()
  let spent = 0
  for await (const address of addresses) {
    const begun = performance.now()
    await client.text(address)
    const time = performance.now() - begun
    times.push(time)
    spent += time
    if (spent > seconds * 1000 && times.length >= LEAST_REQUESTS) break
  }
  return { name: question.name, sort, times, from, to: now() }
}

/** Addresses of which no two are the same. */
async function* addressesOf(
  client: Client,
  question: Question,
  sort: string,
  requests: number
): AsyncGenerator<string> {
  const { words, more, isDeep } = question
  for (let spaces = 0; spaces * LIMITS < requests; spaces++) {
    const parameters = { q: words.join(' ') + ' '.repeat(spaces), ...more, sort }
    const cursor = isDeep ? await findCursor(client, parameters) : undefined
    const query = new URLSearchParams({ ...parameters, ...(cursor !== undefined && { cursor }) })
    for (let index = 0; index < Math.min(LIMITS, requests - spaces * LIMITS); index++) {
      yield `/authors?${query}&limit=${LIMIT + index}`
    }
  }
}

async function findCursor(client: Client, parameters: Record<string, string>): Promise<string | undefined> {
  let next: string | null = `/authors?${new URLSearchParams(parameters)}&limit=${LARGEST_PAGE}`
  for (let passed = 0; passed < DEPTH && next !== null; passed += LARGEST_PAGE) {
    next = (await client.page(next)).next
  }
  return next === null ? undefined : (new URLSearchParams(next.split('?')[1]).get('cursor') as string)
}

function lineOf({ name, sort, times, from, to }: Measured, samples: Sample[]): string {
  const during = samples.filter(({ at, milliseconds }) => at <= to && at + milliseconds >= from)
  const longest = Math.max(0, ...during.map(({ milliseconds }) => milliseconds))
  return `| ${name} | ${sort} | ${times.length} | ${timesOf(times)} | ${longest.toFixed(1)} |`
}

function now(): number {
  return performance.timeOrigin + performance.now()
}

const USAGE =
  'usage: npm run bench:searches -- [--authors N] [--requests N] [--seconds N] [--service FOLDER] [--database FILE]'

async function main(): Promise<void> {
  helpIfAsked(USAGE)
  const options = {
    authors: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '30' },
    service: { type: 'string', default: path.join(import.meta.dirname, '..') },
    database: { type: 'string' }
  } as const
  const { service, database, ...numbers } = readCommandLine({
    begin: 'npm run bench:searches --',
    options,
    words: 0
  }).values
  const folder = mkdtempSync(path.join(tmpdir(), 'library-searches-'))
  try {
    const faults = await searchBench({
      authors: Number(numbers.authors),
      requests: Number(numbers.requests),
      seconds: Number(numbers.seconds),
      service,
      databaseFile: path.resolve(database ?? path.join(folder, 'library.db')),
      log: console.log
    })
    console.log(`\n${cpus().length} cores (${cpus()[0]?.model}), Node ${process.version}`)
    for (const fault of faults) console.error(fault)
    process.exitCode = faults.length === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) await main()
