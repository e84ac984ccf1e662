/** The data that the benchmark runs on: authors that came in as a file, and users who are signed in. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { app, serverOptions } from '../app.ts'
import { loadConfig } from '../config.ts'
import { registerUser } from '../db/commands/users.ts'
import { type Headers, signIn } from '../scripts/service-process.ts'
import { ndjsonOf } from './generate-authors.ts'

export interface Fixture {
  databaseUrl: string
  /** The ids of all authors, the oldest first. */
  ids: string[]
  /** An access token of each user. */
  tokens: string[]
  /** The access token of the user who owns all authors. */
  ownerToken: string
  /** Users who can log in: their HTTP Basic credentials. */
  accounts: string[]
}

const ACCOUNTS = 4

/** What the service is set to while it is measured: tokens that outlast the run, and no limits, for all requests have one address. */
export const SETTINGS = { RATE_LIMIT: 'off', ACCESS_TOKEN_TTL: '86400' }

/** Makes a database with so many authors, and so many users who are signed in. */
export async function buildFixture(databaseUrl: string, authors: number, users: number): Promise<Fixture> {
  const config = loadConfig({ ...SETTINGS, DATABASE_URL: databaseUrl, LOG_LEVEL: 'silent' })
  const server = Fastify(serverOptions(config))
  await server.register(app, { config })
  try {
    return { databaseUrl, ...(await fill(server, authors, users)) }
  } finally {
    await server.close()
  }
}

async function fill(server: FastifyInstance, authors: number, users: number) {
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const owner = await signIn(url)
  await importAuthors(url, owner, ndjsonOf(authors))
  const rows = await server.db.selectFrom('authors').select('id').orderBy('id').execute()
  return {
    ids: rows.map(({ id }) => id),
    tokens: await signInAll(server, users),
    ownerToken: owner.authorization?.replace('Bearer ', '') as string,
    accounts: await Promise.all(Array.from({ length: ACCOUNTS }, () => register(url)))
  }
}

/** Imports authors, all or none, from NDJSON. Throws when one is refused. */
export async function importAuthors(url: string, headers: Headers, lines: Iterable<string>): Promise<void> {
  const type = { 'content-type': 'application/x-ndjson' }
  const upload = request(`${url}/authors/import`, { method: 'POST', headers: { ...headers, ...type } })
  const answered = once(upload, 'response')
  await pipeline(Readable.from(lines), upload)
  const [answer] = await answered
  const result = await json(answer)
  if (answer.statusCode !== 200) throw new Error(`the import answered ${JSON.stringify(result)}`)
}

/** Gives the HTTP Basic credentials. */
async function register(url: string): Promise<string> {
  const [username, password] = [randomUUID(), randomUUID()]
  const body = JSON.stringify({ username, password })
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${url}/register`, { method: 'POST', headers, body })
  if (answer.status !== 201) throw new Error(`POST /register answered ${answer.status}`)
  return Buffer.from(`${username}:${password}`).toString('base64')
}

/** Real sessions, but without a thousand password hashes. */
async function signInAll({ run, sessions }: FastifyInstance, users: number): Promise<string[]> {
  const tokens: string[] = []
  for (let i = 0; i < users; i++) {
    const passwordHash = `no hash ${i}`
    const { id } = await run('service', registerUser, { username: `bench-${i}`, passwordHash })
    const pair = await sessions.open({ id, passwordHash }, 'bench')
    tokens.push(pair.access_token)
  }
  return tokens
}
