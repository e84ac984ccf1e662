import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Call } from '../command.ts'
import type { DatabaseSizes, Engine, EngineLoad, EngineOptions } from '../engine.ts'
import { makeSpoolFolder, type SpoolFolder } from '../spool-folder.ts'
import { Connection } from './connection.ts'
import { ConnectionDialect } from './dialect.ts'
import { openReader } from './open.ts'
import { Writer } from './writing/writer.ts'

const LOOK_EVERY_MS = 50

/** SQLite for the service: one connection that reads on the event loop, and a thread that writes. */
export class SqliteEngine implements Engine {
  /** How many calls share a commit at most; with 1 it is what the benchmark compares with. */
  static mostCalls: number | undefined
  readonly name = 'sqlite'
  readonly folder: string
  readonly #file: string
  readonly #writer: Writer
  readonly reads: ConnectionDialect
  #reader: Connection | undefined
  #readVersion: (() => number) | undefined
  #version = Number.NaN
  /** The iteration of the event loop in which the version was read: its number grows right before requests are read. */
  #readIn: number | undefined

  readonly #spoolDir: string
  #spool: SpoolFolder | undefined
  files: string
  readonly asksServer = false

  constructor(
    file: string,
    { signal = () => {}, commandFolders = [], spoolDir = '', ...usage }: EngineOptions
  ) {
    this.folder = path.dirname(file)
    this.#file = file
    this.files = file
    this.#spoolDir = spoolDir
    this.#writer = new Writer({
      thread: {
        file,
        usage,
        commandFolders,
        mostCalls: SqliteEngine.mostCalls
      },
      signal,
      whenWritten: () => this.#forgetVersion()
    })
    this.reads = new ConnectionDialect(() => this.#openReader(file))
  }

  /** Throws `DatabaseRefused`. */
  async open(): Promise<void> {
    if (this.#spoolDir !== '') {
      this.#spool = makeSpoolFolder(this.#spoolDir)
      this.files = path.join(this.#spool.path, path.basename(this.files))
    }
    try {
      await this.#writer.open()
    } catch (error) {
      this.#spool?.remove()
      throw error
    }
  }

  run(call: Call): Promise<unknown> {
    return this.#writer.run(call)
  }

  /**
   * Looked up once for all requests that were read from their sockets together (https://sqlite.org/pragma.html#pragma_data_version);
   * what this process writes is seen once it is answered.
   */
  dataVersion(): number {
    const { loopCount } = performance.nodeTiming.uvMetricsInfo
    if (this.#readIn !== loopCount) {
      this.#version = this.#readVersion?.() ?? Number.NaN
      this.#readIn = loopCount
    }
    return this.#version
  }

  /** Others may write too, of whom nothing tells. */
  watch(hear: () => void): () => void {
    const timer = setInterval(hear, LOOK_EVERY_MS)
    return () => clearInterval(timer)
  }

  /** The file that is open stays the same. */
  onDoubt(): void {}

  load(): EngineLoad {
    return { waiting: this.#writer.pending.size, connections: {} }
  }

  /** The files are not opened: to close one would give up the locks that SQLite has on it. */
  async sizes(): Promise<DatabaseSizes> {
    const [data, log] = await Promise.all([stat(this.#file), stat(`${this.#file}-wal`)])
    return { data: data.size, log: log.size }
  }

  async close(): Promise<void> {
    await this.#writer.close()
    this.#spool?.remove()
  }

  #forgetVersion(): void {
    this.#readIn = undefined
  }

  #openReader(file: string): Connection {
    this.#reader = new Connection(openReader(file))
    this.#readVersion = this.#reader.valueOf<number>('pragma data_version')
    return this.#reader
  }
}
