import { Kysely, sql } from 'kysely'
import type { ApiKeysTable } from './api-keys.ts'
import type { AuthorsTable } from './authors/table.ts'
import type { AuthorWordsTable } from './authors/words.ts'
import type { ChangesTable } from './changes.ts'
import { LibraryDialect, type Usage } from './dialect.ts'
import type { IdempotencyKeysTable } from './idempotency-keys.ts'
import type { PasswordResetsTable } from './password-resets.ts'
import type { RateLimitsTable } from './rate-limits.ts'
import type { SessionsTable } from './sessions.ts'
import type { UsersTable } from './users.ts'

export interface Tables {
  api_keys: ApiKeysTable
  author_words: AuthorWordsTable
  authors: AuthorsTable
  changes: ChangesTable
  idempotency_keys: IdempotencyKeysTable
  password_resets: PasswordResetsTable
  sessions: SessionsTable
  rate_limits: RateLimitsTable
  users: UsersTable
}

/** A connection or a transaction: what every query function takes as its first argument. */
export type Db = Kysely<Tables>

/** The database of the service, and what tells whether anything in it has changed. */
export class Database extends Kysely<Tables> {
  readonly #dialect: LibraryDialect

  constructor(dialect: LibraryDialect) {
    super({ dialect })
    this.#dialect = dialect
  }

  /** Another number whenever anything was changed, by this process or another; only to be compared. */
  dataVersion(): number {
    return this.#dialect.dataVersion()
  }
}

/** Opens the database file and proves that it answers. Throws `DatabaseRefused`. */
export async function openKysely(path: string, usage: Usage = {}): Promise<Database> {
  const db = new Database(new LibraryDialect(path, usage))
  await ping(db)
  return db
}

/** Throws when the database cannot be read, or not be written. */
export async function ping(db: Db): Promise<void> {
  await db.transaction().execute((trx) => sql`select 1`.execute(trx))
}
