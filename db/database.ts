import { Kysely } from 'kysely'
import type { Call } from './command.ts'
import { engineFor } from './dialect.ts'
import type { DatabaseSizes, EngineLoad, EngineOptions } from './engine.ts'
import type { DatabaseEvent } from './events.ts'
import type { ReadDb, Tables } from './tables.ts'

/** The database of the service. */
export interface Database {
  /** For people: nothing depends on it. */
  readonly engineName: string
  /** Where the data lie, if that is on this machine. */
  readonly folder: string | undefined
  readonly reads: ReadDb
  /** Where the names of files begin that are of this process alone. */
  readonly files: string
  /** Whether a server must be asked for `dataVersion`. */
  readonly asksServer: boolean
  /** Runs a command, and resolves to its output once that is on the disk. Throws a `Problem`, or what `isUnavailable` knows. */
  run(call: Call): Promise<unknown>
  /** Another number whenever anything was changed, by this process or another; a promise where a server is asked for it. */
  dataVersion(): number | Promise<number>
  /** Calls `hear` soon after anything was changed, and maybe more often, until the function that it gives is called. */
  watch(hear: () => void): () => void
  /** Calls back when what was known of the data may not be so any more though `dataVersion` does not say so: a copy may be in its server's place. */
  onDoubt(callback: () => void): void
  load(): EngineLoad
  sizes(): Promise<DatabaseSizes>
  /** Resolves when all that was called is done, and nothing of it is open. */
  close(): Promise<void>
}

/** Opens the database that a `DATABASE_URL` names, makes it if need be, and brings its schema up to date. Throws `DatabaseRefused`. */
export async function openDatabase(url: string, options: EngineOptions = {}): Promise<Database> {
  const engine = await engineFor(url, options)
  await engine.open()
  const reads = new Kysely<Tables>({ dialect: engine.reads })
  return {
    engineName: engine.name,
    folder: engine.folder,
    reads,
    files: engine.files,
    asksServer: engine.asksServer,
    run: (call) => engine.run(call),
    dataVersion: () => engine.dataVersion(),
    watch: (hear) => engine.watch(hear),
    onDoubt: (callback) => engine.onDoubt(callback),
    load: () => engine.load(),
    sizes: () => engine.sizes(),
    async close() {
      await reads.destroy()
      await engine.close()
    }
  }
}

export type { DatabaseEvent }
