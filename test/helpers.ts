import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as nextRound } from 'node:timers/promises'
import argon2 from 'argon2'
import Sqlite from 'better-sqlite3'
import Fastify, { type FastifyInstance } from 'fastify'
import { type Dialect, Kysely, type KyselyPlugin } from 'kysely'
import type { Test } from 'tap'
import { app, serverOptions } from '../app.ts'
import { type Config, loadConfig } from '../config.ts'
import { changeUser, registerUser } from '../db/commands/users.ts'
import { databaseFile, isServer } from '../db/dialect.ts'
import { Connection as ServerConnection, serverOf } from '../db/postgres/connection.ts'
import { RunnerDialect } from '../db/postgres/dialect.ts'
import { TAKE_WRITE_LOCK } from '../db/postgres/locks.ts'
import { Connection } from '../db/sqlite/connection.ts'
import { ConnectionDialect } from '../db/sqlite/dialect.ts'
import { PAGE_BYTES } from '../db/sqlite/open.ts'
import type { Tables } from '../db/tables.ts'
import { ARGON2 } from '../plugins/passwords/hashes.ts'
import { WITHOUT_PROFILE } from '../scripts/bash.ts'
import { engineOf, newDatabase } from './engines.ts'
import './lean-children.ts'
import './memory-folder.ts'
import './spare-threads.ts'

export const ROOT = path.join(import.meta.dirname, '..')
export const PASSWORD = 'the moors last sigh'
export const AUTHOR = {
  name: 'Salman Rushdie',
  book: "Midnight's Children",
  country: 'India',
  booker_prize: true
}

/** A folder of the test's own, gone with it. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Read once: to compile the schema of the settings takes a third of the start of a service. */
const SETTINGS = loadConfig({ LOG_LEVEL: 'silent' })

/** The whole service over a database of the test's own. */
export async function buildApp(t: Test, overrides: Partial<Config> = {}): Promise<FastifyInstance> {
  const DATABASE_URL = overrides.DATABASE_URL ?? (await newDatabase(t))
  const config = { ...SETTINGS, ...overrides, DATABASE_URL }
  const server = Fastify(serverOptions(config))
  t.teardown(() => server.close())
  try {
    await server.register(app, { config })
    await server.ready()
  } catch (error) {
    // As main.ts does it: what has been opened is free for the next one.
    await server.close()
    throw error
  }
  return server
}

/** The same on a real socket of 127.0.0.1; gives its address. */
export async function listen(t: Test, overrides: Partial<Config> = {}) {
  const server = await buildApp(t, overrides)
  return { server, url: await server.listen({ host: '127.0.0.1', port: 0 }) }
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

let passwordHash: Promise<string> | undefined

/** Lets `PASSWORD` be known to be right only once the function that it gives is called, in whatever order passwords are verified. */
export function holdRightPassword({ passwords }: FastifyInstance): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { verify } = passwords
  passwords.verify = async (hash, password) => {
    if (password === PASSWORD) await promise
    return verify(hash, password)
  }
  return resolve
}

/**
 * A registered and logged-in user: its id, and the header that shows it. `PASSWORD` is hashed once for all of them, since
 * each hash costs more than all else of a short test.
 */
export async function signIn(server: FastifyInstance, username = 'salman') {
  passwordHash ??= argon2.hash(PASSWORD, ARGON2)
  const user = { username, passwordHash: await passwordHash }
  const { id } = await server.run('service', registerUser, user)
  const { access_token: token } = await server.sessions.open({ ...user, id }, undefined)
  return { id, token, headers: { authorization: `Bearer ${token}` } }
}

/** The same of an admin. */
export async function signInAdmin(server: FastifyInstance, username = 'indira') {
  const admin = await signIn(server, username)
  await server.run('service', changeUser, { userId: admin.id, role: 'admin' })
  return admin
}

/** The lines of a start that cannot be, without the one that tells the version, which comes first once the settings are read. */
export function refusalIn(output: string): string[] {
  const lines = output.trim().split('\n')
  return lines.filter((line) => !line.includes('"event":"service_starting"'))
}

/**
 * The service as its own process, as `npm start` runs it, on a free port; `variables` add to its environment,
 * and `limits` are shell commands that come before it.
 */
export async function startServer(t: Test, variables: Record<string, string> = {}, limits = 'true') {
  const folder = temporaryFolder(t)
  const DATABASE_URL = engineOf(t) === 'sqlite' ? path.join(folder, 'library.db') : await newDatabase(t)
  const child = spawn('bash', [...WITHOUT_PROFILE, `${limits}; exec "$0" server.js`, process.execPath], {
    cwd: ROOT,
    env: { ...process.env, PORT: '0', DATABASE_URL, ...variables }
  })
  t.teardown(() => child.kill('SIGKILL'))
  const output: string[] = []
  child.stderr.on('data', (data) => output.push(String(data)))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  const started = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      output.push(`${line}\n`)
      if (/^data +/.test(line)) resolve()
    })
  })
  await Promise.race([started, exited])
  const url = /^Library API +(\S+)$/m.exec(output.join(''))?.[1] as string
  return { child, folder, exited, output: () => output.join(''), url }
}

/** A query ends in an iteration of the event loop in which the service looks again for what others have changed. */
const laterIteration: KyselyPlugin = {
  transformQuery: ({ node }) => node,
  async transformResult({ result }) {
    await nextRound()
    await nextRound()
    return result
  }
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** A database connection beside the service's own, for what no command does. */
export function directly(t: Test, server: FastifyInstance): Kysely<Tables> {
  return openDirectly(t, server.config.DATABASE_URL)
}

/** The same for the service of another process. */
export function openDirectly(t: Test, databaseUrl: string): Kysely<Tables> {
  const dialect = isServer(databaseUrl) ? serverDialect(t, databaseUrl) : fileDialect(databaseUrl)
  const db = new Kysely<Tables>({ plugins: [laterIteration], dialect })
  t.teardown(() => db.destroy())
  return db
}

function fileDialect(databaseUrl: string): Dialect {
  const file = databaseFile(databaseUrl)
  return new ConnectionDialect(() => new Connection(new Sqlite(file, { timeout: 2000 })))
}

function serverDialect(t: Test, databaseUrl: string): Dialect {
  let connection: Promise<ServerConnection> | undefined
  t.teardown(async () => (await connection)?.close())
  return new RunnerDialect(() => {
    connection ??= ServerConnection.open(serverOf(databaseUrl), { name: 'tests' })
    return connection
  })
}

/** Who writes waits for the `commit` or `rollback` of this connection. */
export interface Held {
  exec(sql: string): Promise<unknown>
}

/** Begins to write as another process would. */
export async function holdWriting(t: Test, server: FastifyInstance): Promise<Held> {
  const { DATABASE_URL } = server.config
  if (!isServer(DATABASE_URL)) {
    const other = new Sqlite(databaseFile(DATABASE_URL))
    t.teardown(() => other.close())
    other.exec('begin immediate')
    return { exec: async (sql) => other.exec(sql) }
  }
  const other = await ServerConnection.open(serverOf(DATABASE_URL), { name: 'tests' })
  t.teardown(() => other.close())
  await other.runAll(['begin', `select ${TAKE_WRITE_LOCK}`])
  return { exec: (sql) => other.runAll([sql]) }
}

/** By which rows refer to a user. */
export async function numberOf(db: Kysely<Tables>, userId: string): Promise<number> {
  const user = db.selectFrom('users').select('number').where('id', '=', userId)
  return (await user.executeTakeFirstOrThrow()).number
}

/** Where the first page of a table begins and ends in the file. */
export function firstPageOf(file: string, table: string): [number, number] {
  const database = new Sqlite(file)
  const page = database
    .prepare('select rootpage from sqlite_schema where name = ?')
    .pluck()
    .get(table) as number
  database.close()
  return [(page - 1) * PAGE_BYTES, page * PAGE_BYTES]
}
