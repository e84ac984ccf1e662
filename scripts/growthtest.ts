/**
 * `npm run growthtest [-- --rows 8000 --owned 5000 --years 10 --edited 20]`: whether work slows down as the data grows: imports into one
 * catalogue, and deleting accounts with more and more authors, alone and while others write; and whether a database of authors that are
 * edited every day for years stays as large as what `HISTORY_KEEP` keeps. Exits with 1 when not; a machine that is busy with other work can be
 * the reason too. With `--rows 0` only the years pass.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Content, inventAuthors } from '../bench/generate-authors.ts'
import { cpuMicroseconds } from '../bench/process-usage.ts'
import type { AuthorRecord } from '../db/authors/table.ts'
import { toNdjson } from '../plugins/transfers/ndjson.ts'
import { NUMBER } from './command-line/options.ts'
import { helpIfAsked, readCommandLine } from './command-line/read.ts'
import { compareYears } from './growth/years.ts'
import { type Headers, type Service, signIn, startService } from './service-process.ts'

const IMPORTS = 5
const PASSWORD = 'the satanic verses'
const WRITERS = 16
const TRIES = 3
/** How many authors an account has, in multiples of the least. */
const SIZES = [1, 2, 4]
/** The last import is at least so many times as fast as the first. */
const LEAST_PACE = 0.7
/** Twice the authors cost at most so many times as much. */
const MOST_GROWTH = 2.3

type Log = (line: string) => void

interface Cost {
  seconds: number
  cpuSeconds: number
}

export interface GrowthTest {
  /** Of each import. */
  rows: number
  /** The authors of the smallest account that is deleted. */
  owned: number
  databaseFile: string
  log: Log
}

/** Measures both through the HTTP API of a service of its own; the faults say what got slower than it may. */
export async function growthtest({ rows, owned, databaseFile, log }: GrowthTest): Promise<string[]> {
  const service = await startService(databaseFile, { RATE_LIMIT: 'off', ACCESS_TOKEN_TTL: '86400' })
  const deletions = [false, true]
  const perRound = TRIES * owned * SIZES.reduce((sum, size) => sum + size)
  const authors = inventAuthors(rows * IMPORTS + perRound * deletions.length)
  try {
    const faults = await compareImports(service, authors, rows, log)
    for (const besideWrites of deletions) {
      faults.push(...(await compareDeletions(service, authors, { owned, besideWrites }, log)))
    }
    return faults
  } finally {
    await service.end('SIGTERM')
  }
}

async function compareImports(
  service: Service,
  authors: Iterator<Content>,
  rows: number,
  log: Log
): Promise<string[]> {
  const headers = await signIn(service.url)
  const costs: Cost[] = []
  for (let number = 1; number <= IMPORTS; number++) {
    const file = take(authors, rows)
    const cost = await costOf(service, () => importAuthors(service, headers, file))
    costs.push(cost)
    log(`import ${number}: ${Math.round(rows / cost.seconds)} rows/s, ${describe(cost)}`)
  }
  const [first, last] = [costs[0], costs.at(-1)] as [Cost, Cost]
  const pace = first.seconds / last.seconds
  log(`the last import is ${pace.toFixed(2)} times as fast as the first`)
  return pace >= LEAST_PACE ? [] : [`the last import is only ${pace.toFixed(2)} times as fast as the first`]
}

async function compareDeletions(
  service: Service,
  authors: Iterator<Content>,
  { owned, besideWrites }: { owned: number; besideWrites: boolean },
  log: Log
): Promise<string[]> {
  const how = besideWrites ? ' while others write' : ''
  const costs = new Map<number, Cost[]>(SIZES.map((size) => [size, []]))
  // What else a machine does makes one slow, so the fastest of some counts.
  for (let tries = 0; tries < TRIES; tries++) {
    for (const [size, ofSize] of costs) {
      const count = owned * size
      const cost = await costOfDeletion(service, take(authors, count), besideWrites)
      ofSize.push(cost)
      log(`deleting an account with ${count} authors${how}: ${describe(cost)}`)
    }
  }
  const fastest = [...costs.values()].map((ofSize) => Math.min(...ofSize.map(({ seconds }) => seconds)))
  const [smaller, larger] = fastest.slice(-2) as [number, number]
  const growth = larger / smaller
  log(`twice the authors cost ${growth.toFixed(2)} times as much${how}`)
  return growth <= MOST_GROWTH ? [] : [`twice the authors cost ${growth.toFixed(2)} times as much${how}`]
}

async function costOfDeletion(service: Service, authors: string, besideWrites: boolean): Promise<Cost> {
  const headers = await signIn(service.url, PASSWORD)
  await importAuthors(service, headers, authors)
  const writers = besideWrites ? await startWriters(service) : undefined
  const cost = await costOf(service, () => deleteAccount(service, headers))
  await writers?.stop()
  return cost
}

function describe({ seconds, cpuSeconds }: Cost): string {
  return `${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of a processor`
}

async function costOf({ pid }: Service, work: () => Promise<unknown>): Promise<Cost> {
  const [from, cpuFrom] = [performance.now(), cpuMicroseconds(pid)]
  await work()
  return {
    seconds: (performance.now() - from) / 1000,
    cpuSeconds: (cpuMicroseconds(pid) - cpuFrom) / 1_000_000
  }
}

function take(authors: Iterator<Content>, count: number): string {
  return Array.from({ length: count }, () => toNdjson(authors.next().value as AuthorRecord)).join('')
}

async function importAuthors({ url }: Service, headers: Headers, body: string): Promise<void> {
  const type = { 'content-type': 'application/x-ndjson' }
  await send(`${url}/authors/import`, { method: 'POST', headers: { ...headers, ...type }, body }, 200)
}

async function deleteAccount({ url }: Service, headers: Headers): Promise<void> {
  const body = JSON.stringify({ password: PASSWORD })
  await send(`${url}/me`, { method: 'DELETE', headers, body }, 204)
}

/** Clients that create authors one after the other, so that a deletion begins among their writes. */
async function startWriters({ url }: Service) {
  const headers = await signIn(url)
  let isOver = false
  async function write(): Promise<void> {
    while (!isOver) {
      const body = JSON.stringify({ name: randomUUID(), book: 'Written beside it', country: 'Nowhere' })
      await send(`${url}/authors`, { method: 'POST', headers, body }, 201)
    }
  }
  const writers = Promise.all(Array.from({ length: WRITERS }, write))
  return {
    stop() {
      isOver = true
      return writers
    }
  }
}

async function send(url: string, init: RequestInit, status: number): Promise<void> {
  const answer = await fetch(url, init)
  const text = await answer.text()
  if (answer.status !== status) throw new Error(`${init.method} ${url} answered ${answer.status}: ${text}`)
}

const USAGE = 'usage: npm run growthtest -- [--rows N] [--owned N] [--years N] [--edited N]'

async function main(): Promise<void> {
  helpIfAsked(USAGE)
  const options = {
    rows: { type: 'string', default: '8000', looksLike: NUMBER },
    owned: { type: 'string', default: '5000', looksLike: NUMBER },
    years: { type: 'string', default: '10', looksLike: NUMBER },
    edited: { type: 'string', default: '20', looksLike: NUMBER }
  } as const
  const { values } = readCommandLine({ begin: 'npm run growthtest --', options, words: 0 })
  const [rows, owned, years, edited] = [values.rows, values.owned, values.years, values.edited].map(
    Number
  ) as [number, number, number, number]
  const folder = mkdtempSync(path.join(tmpdir(), 'library-growth-'))
  try {
    const databaseFile = path.join(folder, 'library.db')
    const faults = rows === 0 ? [] : await growthtest({ rows, owned, databaseFile, log: console.log })
    const fileFor = (keep: string) => path.join(folder, `${keep}.db`)
    faults.push(...(await compareYears({ years, edited, fileFor }, console.log)))
    for (const fault of faults) console.error(fault)
    process.exitCode = faults.length === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) await main()
