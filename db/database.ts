import { Kysely } from 'kysely'
import type { AccountChangesTable } from './account-changes.ts'
import type { AccountDeletionsTable } from './account-deletions.ts'
import type { ApiKeysTable } from './api-keys.ts'
import type { AuthorsTable } from './authors/table.ts'
import type { ChangesTable } from './changes.ts'
import type { Call } from './command.ts'
import { type DatabaseEvent, Engine, type EngineOptions } from './dialect.ts'
import type { IdempotencyKeysTable } from './idempotency-keys.ts'
import type { PasswordResetsTable } from './password-resets.ts'
import type { RateLimitsTable } from './rate-limits.ts'
import type { SessionsTable } from './sessions.ts'
import type { FormerUsersTable } from './user-numbers.ts'
import type { UsersTable } from './users.ts'

export interface Tables {
  account_changes: AccountChangesTable
  account_deletions: AccountDeletionsTable
  api_keys: ApiKeysTable
  authors: AuthorsTable
  changes: ChangesTable
  former_users: FormerUsersTable
  idempotency_keys: IdempotencyKeysTable
  password_resets: PasswordResetsTable
  sessions: SessionsTable
  rate_limits: RateLimitsTable
  users: UsersTable
}

/** The transaction of a command. */
export type Db = Kysely<Tables>

/** What only reads: the first argument of every query function that does not write. A transaction is one too. */
export type ReadDb = Pick<Kysely<Tables>, 'selectFrom' | 'executeQuery' | 'getExecutor'>

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
