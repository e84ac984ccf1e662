/** Where the data of a run lies: files in a folder, or databases of a PostgreSQL server. */
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import pg from 'pg'
import { type PostgresServer, startPostgres } from '../scripts/postgres-server.ts'
import { treeMicroseconds } from './process-usage.ts'

/** As one would run it: what is acknowledged is on the disk. */
const DURABLE = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  max_connections: '200'
}
const OWN = 'library_bench'

export interface Databases {
  /** A new one: its `DATABASE_URL`. */
  make(name: string): Promise<string>
  /** Copies one that nobody uses. */
  copy(databaseUrl: string, name: string): Promise<string>
  /** After it was filled. */
  settle(databaseUrl: string): Promise<void>
  /** The time of a processor that the server has used so far, not a number where it is another's; without a server there is none. */
  cpu?: () => number
  /** Removes what was made on a server; files are their owner's to remove. */
  end(): Promise<void>
}

export function filesIn(folder: string): Databases {
  return {
    async make(name) {
      mkdirSync(path.join(folder, name))
      return path.join(folder, name, 'library.db')
    },
    async copy(databaseUrl, name) {
      cpSync(path.dirname(databaseUrl), path.join(folder, name), { recursive: true })
      return path.join(folder, name, path.basename(databaseUrl))
    },
    async settle() {},
    async end() {}
  }
}

/** Databases of a server whose URL is given, or of one that is started. */
export async function databasesOf(url: string | undefined): Promise<Databases> {
  if (url !== undefined) return onServer(url)
  const server = await startPostgres({ port: await freePort(), settings: DURABLE })
  const databases = onServer(server.url, server.pid)
  return { ...databases, end: () => stop(server) }
}

async function stop(server: PostgresServer): Promise<void> {
  await server.stop()
  rmSync(server.folder, { recursive: true, force: true })
}

function onServer(url: string, pid?: number): Databases {
  const made: string[] = []
  const make = async (name: string, template: string) => {
    const own = `${OWN}_${process.pid}_${name.replaceAll('-', '_')}`
    await query(url, `create database ${own} template ${template}`)
    made.push(own)
    return withPath(url, own)
  }
  return {
    make: (name) => make(name, 'template0'),
    copy: (databaseUrl, name) => make(name, new URL(databaseUrl).pathname.slice(1)),
    async settle(databaseUrl) {
      await query(databaseUrl, 'vacuum analyze')
      await query(databaseUrl, 'checkpoint').catch(() => {})
    },
    cpu: () => (pid === undefined ? Number.NaN : treeMicroseconds(pid)),
    async end() {
      for (const name of made) await query(url, `drop database ${name} with (force)`)
    }
  }
}

function withPath(text: string, database: string): string {
  const url = new URL(text)
  url.pathname = `/${database}`
  return url.href
}

/** On a connection of its own. */
export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
