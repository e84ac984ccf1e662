/** `npm run draintest -- ROUNDS CLIENTS WORKERS`: SIGTERM to a service whose connections are all in use; no request may be broken by it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { helpIfAsked } from './command-line/read.ts'
import { type Headers, signIn, startService } from './service-process.ts'

const USAGE = 'usage: npm run draintest -- ROUNDS CLIENTS WORKERS'
/** Shorter than a connection must have been quiet for before it is closed. */
const LONGEST_PAUSE_MS = 400
/** Before the signal. */
const LEAST_ANSWERS = 3

export interface DrainTest {
  rounds: number
  clients: number
  databaseFile: string
  workers: number
  log: (line: string) => void
}

interface Round {
  answered: number
  faults: string[]
}

/** Tells how many requests were answered, and every one that was not as it must be. */
export async function draintest({ rounds, log, ...options }: DrainTest): Promise<Round> {
  const total: Round = { answered: 0, faults: [] }
  for (let round = 1; round <= rounds; round++) {
    const { answered, faults } = await drainOnce(options)
    log(
      `round ${round}: ${answered} answered, ${faults.length} broken${faults.length > 0 ? `: ${faults[0]}` : ''}`
    )
    total.answered += answered
    total.faults.push(...faults)
  }
  return total
}

async function drainOnce({
  clients,
  databaseFile,
  workers
}: Omit<DrainTest, 'rounds' | 'log'>): Promise<Round> {
  const service = await startService(databaseFile, { RATE_LIMIT: 'off', WORKERS: String(workers) })
  const headers = await signIn(service.url)
  const round: Round = { answered: 0, faults: [] }
  let warm = 0

  /** On one connection, until it is answered that this will be closed. */
  async function use(client: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let answers = 1, isOpen = true; isOpen; answers++) {
      try {
        const [method, route, body] = toSend(client, answers)
        const { status, isClosed } = await send(agent, service.url, method, route, headers, body)
        round.answered += 1
        isOpen = !isClosed
        if (status !== 200 && status !== 201) round.faults.push(`${method} ${route} was answered ${status}`)
        if (answers === LEAST_ANSWERS) warm += 1
      } catch (error) {
        round.faults.push(`client ${client}: ${(error as Error).message}`)
        isOpen = false
      }
      if (isOpen) await sleep(Math.random() * LONGEST_PAUSE_MS)
    }
    agent.destroy()
  }

  const users = Array.from({ length: clients }, (_, client) => use(client))
  while (warm < clients && round.faults.length === 0) await sleep(5)
  await sleep(Math.random() * LONGEST_PAUSE_MS)
  const [[code]] = await Promise.all([service.end('SIGTERM') as Promise<[number]>, ...users])
  if (code !== 0) round.faults.push(`the service ended with ${code}`)
  return round
}

function toSend(client: number, answers: number): [string, string, object?] {
  if (answers % 3 !== 0) return ['GET', '/authors?limit=5']
  return [
    'POST',
    '/authors',
    { name: `Client ${client} ${Math.random()}`, book: 'Draining', country: 'Nowhere' }
  ]
}

async function send(
  agent: Agent,
  url: string,
  method: string,
  route: string,
  headers: Headers,
  body?: object
) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request(url + route, { method, headers, agent }, resolve)
    .on('error', reject)
    .end(body && JSON.stringify(body))
  const answer = await promise
  await answer.toArray()
  return { status: answer.statusCode, isClosed: answer.headers.connection === 'close' }
}

async function main(rounds: number, clients: number, workers: number): Promise<void> {
  if (!(rounds > 0 && clients > 0 && workers > 0)) throw new Error(USAGE)
  const folder = mkdtempSync(path.join(tmpdir(), 'library-drain-'))
  const databaseFile = path.join(folder, 'library.db')
  const { answered, faults } = await draintest({ rounds, clients, workers, databaseFile, log: console.log })
  rmSync(folder, { recursive: true })
  console.log(`${answered} requests were answered over ${rounds} ends, ${faults.length} broken`)
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) {
  helpIfAsked(USAGE)
  const [rounds = 20, clients = 50, workers = 1] = process.argv.slice(2).map(Number)
  await main(rounds, clients, workers).catch(({ message }) => {
    console.error(message)
    process.exit(1)
  })
}
