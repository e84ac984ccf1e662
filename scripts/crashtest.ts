/** `npm run crashtest -- ROUNDS`: kills the service amid its writes, starts it again, and looks for what it had acknowledged. */
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import Sqlite from 'better-sqlite3'
import pLimit from 'p-limit'
import { type Headers, type Service, signIn, startService } from './service-process.ts'

const CLIENTS = 200
const MOST_ANSWERS = 200
const LONGEST_DELAY_MS = 5
const LONGEST_NOTE = 3000
const READS_AT_ONCE = 32
const FAULTS_SHOWN = 5

type Content = ReturnType<typeof randomAuthor>
type Author = Content & { id: string }

/** What the clients of one round sent, by name, and what was answered 201, by id. */
interface Journal {
  sent: Map<string, Content>
  acknowledged: Map<string, Author>
  faults: string[]
}

export interface CrashTest {
  rounds: number
  databaseFile: string
  log: (line: string) => void
  /** Damages the data while the service is down, to prove that it would be noticed. */
  sabotage?: (databaseFile: string, acknowledged: Author[]) => void
}

/** Many clients create authors, each one after the other, until the service is killed amid its answers. */
async function killAmidWrites(service: Service, headers: Headers): Promise<Journal> {
  const journal: Journal = { sent: new Map(), acknowledged: new Map(), faults: [] }
  const enough = Promise.withResolvers<void>()
  let answersLeft = randomInt(MOST_ANSWERS)
  const onAnswer = () => answersLeft-- <= 0 && enough.resolve()
  const clients = Promise.all(
    Array.from({ length: CLIENTS }, () => createAuthors(service.url, headers, journal, onAnswer))
  )
  await Promise.race([enough.promise, clients])
  await sleep(Math.random() * LONGEST_DELAY_MS)
  await service.end('SIGKILL')
  await clients
  return journal
}

/** Ends when the connection breaks; a lost connection or a 5xx leaves open whether the author is there. */
async function createAuthors(url: string, headers: Headers, journal: Journal, onAnswer: () => unknown) {
  for (;;) {
    const content = randomAuthor()
    journal.sent.set(content.name, content)
    try {
      const body = JSON.stringify(content)
      const answer = await fetch(`${url}/authors`, { method: 'POST', headers, body })
      const author = (await answer.json()) as Author
      if (answer.status === 201) journal.acknowledged.set(author.id, author)
      else if (answer.status < 500) throw journal.faults.push(`POST /authors answered ${answer.status}`)
      onAnswer()
    } catch {
      return
    }
  }
}

function randomAuthor() {
  const note = randomBytes(randomInt(LONGEST_NOTE / 2)).toString('hex')
  return { name: `Crash ${randomUUID()}`, book: 'Kill', country: 'Nowhere', birth_year: 1947, note }
}

/** What is there after the restart against what was promised; what is found adds to the promises, for it must stay. */
async function compare(url: string, headers: Headers, journal: Journal, promised: Map<string, Author>) {
  const { sent, acknowledged, faults } = journal
  const present = await listAuthors(url, headers)
  await pLimit(READS_AT_ONCE).map(acknowledged, async ([id, author]) => {
    promised.set(id, author)
    const read = await get<Author>(`${url}/authors/${id}`, headers)
    if (!isDeepStrictEqual(read, author)) faults.push(`GET /authors/${id} is not what POST answered`)
  })
  const lost = [...promised.values()].filter(({ id }) => !present.has(id))
  for (const { id } of lost) promised.delete(id)
  const changed = [...promised.values()].filter(
    (author) => !isDeepStrictEqual(present.get(author.id), author)
  )
  const found = [...present.values()].filter(({ id }) => !promised.has(id))
  for (const author of found) promised.set(author.id, author)
  const foreign = found.filter((author) => !isWhole(author, sent.get(author.name)))
  faults.unshift(...lost.map(({ id }) => `lost: ${id}`))
  faults.push(...changed.map(({ id }) => `changed: ${id}`))
  faults.push(...foreign.map(({ id }) => `not as it was sent: ${id}`))
  return { lost: lost.length, unknown: sent.size - acknowledged.size, found: found.length }
}

async function listAuthors(url: string, headers: Headers): Promise<Map<string, Author>> {
  const authors = new Map<string, Author>()
  for (let next: string | null = '/authors?limit=100'; next !== null; ) {
    const page: { data: Author[]; next: string | null } = await get(url + next, headers)
    for (const author of page.data) authors.set(author.id, author)
    next = page.next
  }
  return authors
}

async function get<T>(url: string, headers: Headers): Promise<T> {
  const answer = await fetch(url, { headers })
  if (![200, 404].includes(answer.status)) throw new Error(`${url} answered ${answer.status} after a restart`)
  return (await answer.json()) as T
}

function isWhole(author: Author, sent?: Content): boolean {
  return sent !== undefined && isDeepStrictEqual({ ...author, ...sent }, author)
}

/** Runs the rounds on one database and with one login; the faults say all that was not as it must be. */
export async function crashtest({ rounds, databaseFile, log, sabotage }: CrashTest) {
  const total = { acknowledged: 0, lost: 0, faults: [] as string[] }
  const promised = new Map<string, Author>()
  let service = await startService(databaseFile)
  try {
    const headers = await signIn(service.url)
    for (let round = 1; round <= rounds; round++) {
      const journal = await killAmidWrites(service, headers)
      const { acknowledged, faults } = journal
      sabotage?.(databaseFile, [...acknowledged.values()])
      service = await startService(databaseFile)
      const { lost, unknown, found } = await compare(service.url, headers, journal, promised)
      const unknowns = `${unknown} unknown (${found} of them there)`
      log(`round ${round}: ${acknowledged.size} acknowledged, ${unknowns}, ${lost} lost`)
      for (const fault of faults.slice(0, FAULTS_SHOWN)) log(`  ${fault}`)
      total.acknowledged += acknowledged.size
      total.lost += lost
      total.faults.push(...faults)
    }
    await service.end('SIGTERM')
    const integrity = checkIntegrity(databaseFile)
    log(`integrity_check: ${integrity}`)
    if (integrity !== 'ok') total.faults.push(integrity)
  } finally {
    await service.end('SIGKILL')
  }
  log(`${rounds} rounds, ${total.acknowledged} acknowledged, ${total.lost} lost`)
  return total
}

function checkIntegrity(databaseFile: string): string {
  const database = new Sqlite(databaseFile, { readonly: true })
  const result = String(database.pragma('integrity_check', { simple: true }))
  database.close()
  return result
}

async function main(rounds: number): Promise<void> {
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('usage: npm run crashtest -- ROUNDS')
  const folder = mkdtempSync(path.join(tmpdir(), 'library-crash-'))
  const databaseFile = path.join(folder, 'library.db')
  console.log(`database: ${databaseFile} (kept if anything goes wrong)`)
  const { faults } = await crashtest({ rounds, databaseFile, log: console.log })
  if (faults.length === 0) rmSync(folder, { recursive: true })
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  await main(Number(process.argv[2] ?? 10)).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
