import { tmpdir } from 'node:os'
import path from 'node:path'
import { Kysely } from 'kysely'
import { type Call, COMMANDS, commandNamed, loadCommands, stagedFileOf } from '../command.ts'
import type { DatabaseSizes, Engine, EngineLoad, EngineOptions } from '../engine.ts'
import { migrateToLatest, refuseOtherSchema } from '../migrator.ts'
import { makeSpoolFolder, type SpoolFolder } from '../spool-folder.ts'
import { type Connection, type Server, serverOf } from './connection.ts'
import { type Runner, RunnerDialect } from './dialect.ts'
import { asRefusal } from './errors.ts'
import { Listener } from './listener.ts'
import { ReadPool } from './read-pool.ts'
import { copyStaged } from './staged.ts'
import { refuseUnfit } from './upkeep/fitness.ts'
import { withMigrations } from './upkeep/migrating.ts'
import { Watchdog } from './watchdog.ts'
import { Writer, type WriterOptions } from './writing/writer.ts'

/** Beside those that read, one connection writes and one listens. */
const NOT_READING = 2
const SIZE = 'select pg_database_size(current_database())::float8 as bytes'

/**
 * How many transactions that write have ended; the same as before only if nothing was committed meanwhile
 * (https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT).
 */
export const ENDED_TRANSACTIONS =
  'select pg_snapshot_xmax(now)::text::bigint - (select count(*) from pg_snapshot_xip(now)) as ended from pg_current_snapshot() as now'

/** PostgreSQL for the service: some connections that read, one that writes, and one that listens. */
export class PostgresEngine implements Engine {
  readonly name = 'postgres'
  /** The server may have it anywhere. */
  readonly folder = undefined
  readonly #server: Server
  readonly #options: EngineOptions
  readonly #pool: ReadPool
  readonly #writer: Writer
  /** Each for one call. */
  readonly #stagedWriters = new Set<Writer>()
  readonly #listener: Listener
  readonly #watchdog: Watchdog
  #spool: SpoolFolder | undefined
  readonly reads: RunnerDialect
  files = ''
  readonly asksServer = true
  #version: Promise<number> | undefined
  /** What one server counts says nothing of another: after a doubt all versions are greater than any before. */
  readonly #versions = { base: 0, highest: 0 }
  readonly #doubters: (() => void)[] = []

  constructor(url: string, options: EngineOptions) {
    this.#server = serverOf(url)
    this.#options = options
    this.#pool = new ReadPool(this.#server, this.#server.connections - NOT_READING, () => this.#doubt())
    this.#writer = this.#newWriter()
    this.#listener = new Listener(this.#server)
    this.#watchdog = new Watchdog(this.#server, () => this.#connections())
    this.reads = new RunnerDialect(() => this.#pool)
  }

  async open(): Promise<void> {
    try {
      const { isInUse, commandFolders = [], spoolDir } = this.#options
      this.#spool = makeSpoolFolder(spoolDir || tmpdir())
      this.files = path.join(this.#spool.path, 'library')
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

  async run(call: Call): Promise<unknown> {
    const file = stagedFileOf(call)
    return file === undefined ? this.#writer.run(call) : this.#runStaged(call, file)
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

  watch(hear: () => void): () => void {
    return this.#listener.add(hear)
  }

  onDoubt(callback: () => void): void {
    this.#doubters.push(callback)
  }

  load(): EngineLoad {
    const waiting = this.#writers.reduce((total, writer) => total + writer.waiting, 0)
    const writing = this.#writers.filter(({ connection }) => connection?.isLost === false).length
    const listening = this.#listener.isConnected ? 1 : 0
    return { waiting, connections: { ...this.#pool.counts, writes: writing, listens: listening } }
  }

  async sizes(): Promise<DatabaseSizes> {
    const { rows } = await this.#pool.run({ sql: SIZE, parameters: [] })
    return { data: (rows[0] as { bytes: number }).bytes }
  }

  async close(): Promise<void> {
    await this.#listener.close()
    await Promise.all(this.#writers.map((writer) => writer.close()))
    this.#watchdog.close()
    await this.#pool.close()
    this.#spool?.remove()
  }

  /** On a connection of its own: nobody waits while the rows are copied to the server. */
  async #runStaged(call: Call, file: string): Promise<unknown> {
    const copy = (runner: Runner) =>
      copyStaged(new Kysely({ dialect: new RunnerDialect(() => runner) }), file)
    const { longestMs } = commandNamed(call.command)
    const writer = this.#newWriter({ prepare: copy, patienceMs: longestMs })
    this.#stagedWriters.add(writer)
    try {
      return await writer.run(call)
    } finally {
      await writer.close()
      this.#stagedWriters.delete(writer)
    }
  }

  #newWriter(own: Pick<WriterOptions, 'prepare' | 'patienceMs'> = {}): Writer {
    return new Writer({
      server: this.#server,
      signal: this.#options.signal ?? (() => {}),
      openedBefore: (moment) => this.#pool.connections.find(({ openedAt }) => openedAt < moment),
      ...own
    })
  }

  get #writers(): Writer[] {
    return [this.#writer, ...this.#stagedWriters]
  }

  async #askVersion(): Promise<number> {
    const { highest } = this.#versions
    const { rows } = await this.#pool.runQuickly({ sql: ENDED_TRANSACTIONS, parameters: [] })
    const { ended } = rows[0] as { ended: number }
    // Of one server it only grows.
    if (ended < highest) this.#doubt()
    this.#versions.highest = Math.max(this.#versions.highest, ended)
    return this.#versions.base + ended
  }

  #doubt(): void {
    this.#versions.base += this.#versions.highest + 1
    this.#versions.highest = 0
    for (const callback of this.#doubters) callback()
  }

  #connections(): readonly Connection[] {
    return [...this.#pool.connections, ...this.#writers.flatMap(({ connection }) => connection ?? [])]
  }
}

/** For reading on one connection beside the service's own. */
export function readDialectOf(url: string): RunnerDialect {
  const pool = new ReadPool(serverOf(url), 1)
  return new RunnerDialect(
    () => pool,
    () => pool.close()
  )
}
