/**
 * The engines that a test runs on: `test` is tap's, once for each of them. PostgreSQL is the server at `TEST_DATABASE_URL`, else one that the
 * first test file that needs it starts, and that ends when no file needs it any more. `TEST_ENGINES=sqlite` or `postgres` runs one of them.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import type { Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, QueryResult } from 'pg'
import t, { type Test, type TestOpts } from 'tap'
import { isServer } from '../db/dialect.ts'
import { temporaryFolder } from './helpers.ts'

export type EngineName = 'sqlite' | 'postgres'

const ROOT = path.join(import.meta.dirname, '..')
const { TEST_ENGINES = 'sqlite,postgres', TEST_DATABASE_URL } = process.env
export const ENGINES = TEST_ENGINES.split(',') as EngineName[]

type Options = TestOpts
type Work = (t: Test) => unknown

/** A test that runs on each engine; `buildApp` and the other helpers take it from the test that they are given. */
export function test(name: string, work: Work): void
export function test(name: string, options: Options, work: Work): void
export function test(name: string, ...rest: [Work] | [Options, Work]): void {
  const [options, work] = rest.length === 1 ? [{}, rest[0]] : rest
  for (const engine of ENGINES) {
    t.test(`${name} (${engine})`, { ...options, context: { engine } }, work)
  }
}

/** What the database of a test that was not made by `test` is. */
export function engineOf(t: Test): EngineName {
  return t.context?.engine ?? 'sqlite'
}

/** Another database of the test's own at each call, gone with the test: its `DATABASE_URL`. */
export async function newDatabase(t: Test): Promise<string> {
  if (engineOf(t) === 'sqlite') return path.join(temporaryFolder(t), 'library.db')
  return newPostgresDatabase(t, await templateDatabase())
}

/** The same without tables. */
export async function newEmptyDatabase(t: Test): Promise<string> {
  if (engineOf(t) === 'sqlite') return path.join(temporaryFolder(t), 'library.db')
  return newPostgresDatabase(t, 'template0')
}

let databases = 0

async function newPostgresDatabase(t: Test, template: string): Promise<string> {
  const name = `library_test_${process.pid}_${++databases}`
  await asAdmin(`create database ${name} template ${template}`)
  t.teardown(() => asAdmin(`drop database if exists ${name} with (force)`))
  return urlOf(name)
}

/** Takes it away from a service that uses it. */
export async function loseDatabase(databaseUrl: string): Promise<void> {
  if (!isServer(databaseUrl)) return renameSync(databaseUrl, `${databaseUrl}.away`)
  await asAdmin(`drop database ${new URL(databaseUrl).pathname.slice(1)} with (force)`)
}

let admin: Promise<Client> | undefined
let waiting = 0

/** What only the server's first user may do, on a connection that keeps the server, but not this process. */
export async function asAdmin(sql: string, values: unknown[] = []): Promise<QueryResult> {
  admin ??= connect()
  const client = await admin
  const { stream } = client.connection as unknown as { stream: Socket }
  waiting += 1
  stream.ref()
  try {
    return await client.query(sql, values)
  } finally {
    waiting -= 1
    if (waiting === 0) stream.unref()
  }
}

/** A port of this folder's own, below those that systems give to connections. */
const PORT = 20_000 + (createHash('sha256').update(ROOT).digest().readUInt16BE() % 10_000)
const SERVER = TEST_DATABASE_URL ?? `postgres://library@127.0.0.1:${PORT}/postgres`

function urlOf(database: string): string {
  const url = new URL(SERVER)
  url.pathname = `/${database}`
  return url.href
}

const LONGEST_START_MS = 60_000

async function connect(): Promise<Client> {
  const until = performance.now() + LONGEST_START_MS
  for (let tries = 0; ; tries += 1) {
    try {
      return await tryToConnect()
    } catch (error) {
      if (TEST_DATABASE_URL !== undefined || performance.now() > until) throw error
      // After a while also once more: the server may have been about to end.
      if (tries % 100 === 0) startServer()
      await sleep(50)
    }
  }
}

async function tryToConnect(): Promise<Client> {
  const { default: pg } = await import('pg')
  const client = new pg.Client(SERVER)
  client.on('error', () => {})
  await client.connect()
  await client.query('select pg_advisory_lock_shared(1)')
  return client
}

/** When two do it at a time, one finds the port taken and ends. */
function startServer(): void {
  const file = path.join(ROOT, 'test/postgres-server.ts')
  spawn(process.execPath, [file, String(PORT)], { detached: true, stdio: 'ignore' }).unref()
}

let template: Promise<string> | undefined

/** A database with all tables, which others are copied from: of another state of the code it has another name. */
function templateDatabase(): Promise<string> {
  template ??= makeTemplate(`library_test_template_${hashOfSchema()}`)
  return template
}

async function makeTemplate(name: string): Promise<string> {
  await asAdmin('select pg_advisory_lock(2)')
  try {
    const { rowCount } = await asAdmin('select from pg_database where datname = $1', [name])
    if (rowCount === 0) {
      await asAdmin(`create database ${name}_new template template0`)
      await migrate(urlOf(`${name}_new`))
      await asAdmin(`alter database ${name}_new rename to ${name}`)
    }
  } finally {
    await asAdmin('select pg_advisory_unlock(2)')
  }
  return name
}

async function migrate(url: string): Promise<void> {
  const { withMigrations } = await import('../db/postgres/upkeep/migrating.ts')
  const { serverOf } = await import('../db/postgres/connection.ts')
  const { migrateToLatest } = await import('../db/migrator.ts')
  await withMigrations(serverOf(url), migrateToLatest)
}

function hashOfSchema(): string {
  const hash = createHash('sha256')
  for (const folder of ['migrations', 'db/postgres']) {
    const files = readdirSync(path.join(ROOT, folder)).filter((name) => name.endsWith('.ts'))
    for (const name of files.sort()) hash.update(readFileSync(path.join(ROOT, folder, name)))
  }
  return hash.digest('hex').slice(0, 12)
}
