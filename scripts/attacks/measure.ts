/** What each attack costs a service of its own. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { app, serverOptions } from '../../app.ts'
import { type Config, loadConfig } from '../../config.ts'
import { changeUser } from '../../db/commands/users.ts'
import { databaseFile } from '../../db/dialect.ts'
import { checkedRows } from '../../plugins/transfers/checked-rows.ts'
import { runImport } from '../../plugins/transfers/import-job.ts'
import { withStagedFile } from '../../plugins/transfers/staged-files.ts'
import { wholeDocument } from '../fuzz/document.ts'
import { sourceSchemas } from '../fuzz/schemas.ts'
import {
  type Attack,
  attacksOn,
  basic,
  importFiles,
  isBasic,
  type Operation,
  PASSWORD,
  type Schema,
  wholeBodiesOf
} from './attacks.ts'

/** How long requests may hold the event loop; and a row of an import its own thread, where a parser goes through it byte by byte. */
export const MOST_MS = { requests: 50, files: 250 }

export interface Cost {
  title: string
  /** The milliseconds for which the serving thread is at work. */
  cost: number
}

export interface Costs {
  requests: Cost[]
  files: Cost[]
}

/** On a busy machine most of them take longer than they must, and for seconds all of them: a core that two programs share takes twice as long. */
const TRIES = 100
const PAUSE_MS = 100
const PIECE = 65_536

/** The costs of every `step`-th attack. */
export async function measure(step: number): Promise<Costs> {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-attacks-'))
  const variables = { DATABASE_URL: path.join(folder, 'library.db'), LOG_LEVEL: 'silent' }
  const config: Config = { ...loadConfig(variables), RATE_LIMIT: 'off', TRUST_PROXY: 'loopback' }
  const server = Fastify(serverOptions(config))
  await server.register(app, { config })
  try {
    const url = await server.listen({ host: '127.0.0.1', port: 0 })
    return { requests: await costsOfRequests(server, url, step), files: await costsOfFiles(server, step) }
  } finally {
    await server.close()
    rmSync(folder, { recursive: true })
  }
}

async function costsOfRequests(server: FastifyInstance, url: string, step: number): Promise<Cost[]> {
  const { operations, schemas } = await operationsOf(server)
  const costs: Cost[] = []
  for (const [number, operation] of operations.entries()) {
    // Each has a user of its own, whom it may delete.
    const credentials = isBasic(operation) ? basic('nobody', PASSWORD) : await signIn(server, `user${number}`)
    const headers = { authorization: credentials }
    const attacks = attacksOn(operation, schemas, headers, step)
    for (const attack of [...attacks, ...wholeBodiesOf(operation, headers)]) {
      costs.push({ title: attack.title, cost: await costOf(MOST_MS.requests, () => send(url, attack)) })
    }
  }
  return costs
}

async function costsOfFiles(server: FastifyInstance, step: number): Promise<Cost[]> {
  const job = { mode: 'all', dryRun: true, ownerId: '' } as const
  const database = databaseFile(server.config.DATABASE_URL)
  const costs: Cost[] = []
  for (const [index, { mediaType, write }] of importFiles().entries()) {
    if (index % step > 2) continue
    const text = write()
    const rows = () => checkedRows(Readable.from(piecesOf(Buffer.from(text))), { mediaType })
    const run = () => Promise.resolve(undefined as never)
    const work = () =>
      withStagedFile(database, (staged) =>
        runImport({ files: { database, staged }, run, onProgress: () => {} }, rows(), { ...job, mediaType })
      )
    const title = `${mediaType} ${text.slice(0, 40)}`
    costs.push({ title, cost: await costOf(MOST_MS.files, work) })
  }
  return costs
}

function piecesOf(file: Buffer): Buffer[] {
  const count = Math.ceil(file.length / PIECE)
  return Array.from({ length: count }, (_, i) => file.subarray(i * PIECE, (i + 1) * PIECE))
}

/** The processor's time, for the clock's hangs on what else the machine does; the least of some tries where it is too long. */
async function costOf(most: number, work: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < TRIES && least > most; tries++) {
    const before = process.threadCpuUsage()
    await work()
    const { user, system } = process.threadCpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
    if (least > most) await sleep(PAUSE_MS)
  }
  return least
}

/** Sends it and reads the answer, but for a stream, which does not end. */
async function send(base: string, { method, url, headers, body }: Attack): Promise<void> {
  const sent = request(`${base}${url}`, { method, headers, agent: false })
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  if (answer.headers['content-type']?.startsWith('text/event-stream')) answer.destroy()
  else for await (const _ of answer);
}

async function operationsOf(server: FastifyInstance) {
  const document = wholeDocument((await server.inject('/openapi.json')).json())
  const operations = Object.entries(
    document.paths as unknown as Record<string, Record<string, Operation>>
  ).flatMap(([address, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      address
    }))
  )
  return { operations, schemas: sourceSchemas(document) as unknown as Record<string, Schema> }
}

async function signIn(server: FastifyInstance, username: string): Promise<string> {
  const payload = { username, password: PASSWORD }
  const registered = await server.inject({ method: 'POST', url: '/register', payload })
  await server.run('service', changeUser, { userId: registered.json().id, role: 'admin' })
  const headers = { authorization: basic(username, PASSWORD) }
  const loggedIn = await server.inject({ method: 'POST', url: '/login', headers })
  return `Bearer ${loggedIn.json().access_token}`
}
