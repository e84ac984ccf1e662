/** `npm run fuzz -- --requests N --seed N`: sends generated requests, right and broken ones, and holds the answers against the OpenAPI document. */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import fc from 'fast-check'
import { Kysely, SqliteDialect } from 'kysely'
import type { Db, Tables } from '../db/tables.ts'
import { NUMBER } from './command-line/options.ts'
import { helpIfAsked, readCommandLine } from './command-line/read.ts'
import { type Client, clientOf, toCurl } from './fuzz/client.ts'
import { type Document, routesOf, wholeDocument } from './fuzz/document.ts'
import { judgeBy } from './fuzz/judge.ts'
import { type Plan, plansOf, toSent } from './fuzz/requests.ts'
import { requestCheck, sourceSchemas } from './fuzz/schemas.ts'
import { State } from './fuzz/state.ts'
import { valuesOf } from './fuzz/values.ts'
import { startService } from './service-process.ts'

export interface Fuzz {
  /** Where the service listens, with RATE_LIMIT=off. */
  url: string
  /** Its database, in which users are given roles. */
  db: Db
  requests: number
  seed: number
  /** In place of that of the service, to prove that a difference would be noticed. */
  document?: Document
}

/** A fault, and the shortest request found that shows it. */
export interface Finding {
  title: string
  kind: string
  detail: string
  curl: string
}

const MOST_FINDINGS = 10
const MOST_SHRINKING_MS = 10_000

/** Sends so many requests, one after another, each of which may use what those before it were given. */
export async function fuzz({ url, db, requests, seed, document }: Fuzz) {
  const client = clientOf(url)
  const state = await State.begin(client, db)
  const described = document ?? (await documentOf(client))
  const values = valuesOf(sourceSchemas(described), requestCheck(described))
  const plans = plansOf(routesOf(described), values)
  const judge = judgeBy(described)
  const statuses = new Map<number, number>()
  const findings: Finding[] = []
  let sentSoFar = 0

  async function attempt(plan: Plan) {
    const sent = toSent(plan, state)
    const isKnown = state.knows(sent.headers.find(([name]) => name === 'authorization')?.[1] ?? '')
    const answer = await client.send(sent)
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    const { title, faults } = judge(sent, answer, isKnown)
    await state.learn(sent, answer)
    return faults.map((fault) => ({ title, ...fault, curl: toCurl(url, sent) }))
  }

  /** Sends until there is a fault that was not found before, and looks for the shortest request that has it. */
  async function findNext(): Promise<Finding | undefined> {
    let found: Finding | undefined
    let shrinkUntil = Number.POSITIVE_INFINITY
    const property = fc.asyncProperty(plans, async (plan) => {
      if (Date.now() > shrinkUntil) return true
      if (found === undefined) sentSoFar += 1
      const faults = await attempt(plan)
      const fault = faults.find((one) =>
        found === undefined ? !findings.some(isLike(one)) : isLike(one)(found)
      )
      if (fault === undefined) return true
      if (found === undefined) shrinkUntil = Date.now() + MOST_SHRINKING_MS
      found = fault
      return false
    })
    const { failed, errorInstance } = await fc.check(property, {
      seed: seed + findings.length,
      numRuns: requests - sentSoFar
    })
    if (failed && found === undefined) throw errorInstance
    return found
  }

  try {
    while (sentSoFar < requests && findings.length < MOST_FINDINGS) {
      const finding = await findNext()
      if (finding !== undefined) findings.push(finding)
    }
    return { findings, requests: sentSoFar, statuses }
  } finally {
    client.close()
  }
}

function isLike({ title, kind }: Finding): (other: Finding) => boolean {
  return (other) => other.title === title && other.kind === kind
}

async function documentOf(client: Client): Promise<Document> {
  const { text } = await client.send({
    method: 'GET',
    target: '/openapi.json',
    headers: [],
    isChunked: false
  })
  return wholeDocument(JSON.parse(text))
}

/** A finding as a person reads it. */
export function describe({ title, kind, detail, curl }: Finding): string {
  return `${title}: ${kind}\n  ${detail}\n  ${curl}`
}

const USAGE = 'usage: npm run fuzz -- [--requests N] [--seed N]'

function readArguments(): { requests: number; seed: number } {
  const options = {
    requests: { type: 'string', default: '20000', looksLike: NUMBER },
    seed: { type: 'string', default: String(randomInt(2 ** 31)), looksLike: NUMBER }
  } as const
  const { values } = readCommandLine({ begin: 'npm run fuzz --', options, words: 0 })
  const [requests, seed] = [Number(values.requests), Number(values.seed)]
  if (!(requests > 0) || !Number.isInteger(seed)) throw new Error(USAGE)
  return { requests, seed }
}

async function main(): Promise<void> {
  helpIfAsked(USAGE)
  const { requests, seed } = readArguments()
  const folder = mkdtempSync(path.join(tmpdir(), 'library-fuzz-'))
  const databaseFile = path.join(folder, 'library.db')
  const service = await startService(databaseFile, { RATE_LIMIT: 'off', ACCESS_TOKEN_TTL: '86400' })
  const db = new Kysely<Tables>({
    dialect: new SqliteDialect({ database: new Sqlite(databaseFile, { timeout: 2000 }) })
  })
  try {
    const result = await fuzz({ url: service.url, db, requests, seed })
    for (const finding of result.findings) console.log(describe(finding))
    const counts = [...result.statuses].sort().map(([status, count]) => `${count} times ${status}`)
    console.log(
      `${result.requests} requests with the seed ${seed}, ${result.findings.length} faults; ${counts.join(', ')}`
    )
    process.exitCode = result.findings.length === 0 ? 0 : 1
  } finally {
    await db.destroy()
    await service.end('SIGTERM')
    rmSync(folder, { recursive: true })
  }
}

if (import.meta.main) {
  await main().catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
