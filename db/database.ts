import { Kysely } from 'kysely'
import type { Call } from './command.ts'
import { type DatabaseEvent, Engine, type EngineOptions } from './dialect.ts'
import type { ReadDb, Tables } from './tables.ts'

/** The database of the service. */
export interface Database {
  readonly reads: ReadDb
  /** Runs a command, and resolves to its output once that is on the disk. Throws a `Problem`, or what `isUnavailable` knows. */
  run(call: Call): Promise<unknown>
  /** Another number whenever anything was changed, by this process or another; only to be compared. */
  dataVersion(): number
  /** Resolves when all that was called is done, and the files are closed. */
  close(): Promise<void>
}

/** Opens the database, makes it if need be, and brings its schema up to date. Throws `DatabaseRefused`. */
export async function openDatabase(file: string, options: EngineOptions = {}): Promise<Database> {
  const engine = new Engine(file, options)
  await engine.open()
  const reads = new Kysely<Tables>({ dialect: engine.reads })
  return {
    reads,
    run: (call) => engine.run(call),
    dataVersion: () => engine.dataVersion(),
    async close() {
      await reads.destroy()
      await engine.close()
    }
  }
}

export type { DatabaseEvent }
