import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Kysely } from 'kysely'
import { type Call, COMMANDS, loadCommands } from '../command.ts'
import type { Engine, EngineOptions } from '../engine.ts'
import { migrateToLatest, refuseOtherSchema } from '../migrator.ts'
import type { Tables } from '../tables.ts'
import { Connection, type Server, serverOf } from './connection.ts'
import { RunnerDialect } from './dialect.ts'
import { asRefusal } from './errors.ts'
import { refuseUnfit } from './fitness.ts'
import { ReadPool } from './read-pool.ts'
import { Writer } from './writer.ts'

/** So many connections read at most, beside the one that writes. */
const MOST_READERS = 4

/** PostgreSQL for the service: some connections that read, and one that writes. */
export class PostgresEngine implements Engine {
  readonly #server: Server
  readonly #options: EngineOptions
  readonly #pool: ReadPool
  readonly #writer: Writer
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'library-'))
  readonly reads: RunnerDialect
  readonly files: string
  #version: Promise<number> | undefined

  constructor(url: string, options: EngineOptions) {
    this.#server = serverOf(url)
    this.#options = options
    this.#pool = new ReadPool(this.#server, MOST_READERS)
    this.#writer = new Writer(this.#server, options.signal ?? (() => {}))
    this.reads = new RunnerDialect(() => this.#pool)
    this.files = path.join(this.#folder, 'library')
  }

  async open(): Promise<void> {
    try {
      const { isInUse, commandFolders = [] } = this.#options
      await loadCommands([COMMANDS, ...commandFolders])
      await withMigrations(this.#server, async (db) => {
        await refuseUnfit(db)
        await (isInUse ? refuseOtherSchema(db) : migrateToLatest(db))
      })
    } catch (error) {
      await this.close()
      throw asRefusal(error, this.#server.url)
    }
  }

  run(call: Call): Promise<unknown> {
    return this.#writer.run(call)
  }

  /**
   * Asked once for all requests that were read from their sockets together, and not before they were: what another instance had acknowledged
   * by then is seen.
   */
  dataVersion(): Promise<number> {
    this.#version ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      this.#version = undefined
      return this.#askVersion()
    })
    return this.#version
  }

  async close(): Promise<void> {
    await this.#writer.close()
    await this.#pool.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #askVersion(): Promise<number> {
    const { rows } = await this.#pool.run({ sql: 'select version from data_version', parameters: [] })
    return (rows[0] as { version: number }).version
  }
}

/** Does the work with a connection of its own, as migrations need it. */
export async function withMigrations<T>(
  server: Server,
  work: (db: Kysely<Tables>) => Promise<T>
): Promise<T> {
  const connection = await Connection.open(server, { name: 'migrations' })
  const db = new Kysely<Tables>({ dialect: new RunnerDialect(() => connection) })
  try {
    return await work(db)
  } finally {
    await connection.close()
  }
}
