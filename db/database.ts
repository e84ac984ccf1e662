import { Kysely, sql } from 'kysely'
import type { ApiKeysTable } from './api-keys.ts'
import type { AuthorsTable } from './authors/table.ts'
import type { AuthorWordsTable } from './authors/words.ts'
import type { ChangesTable } from './changes.ts'
import { createDialect } from './dialect.ts'
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

/**
 * Opens the database file and proves that it answers; with `isInUse` one that this process has open already, of which nothing need
 * be checked. Throws `DatabaseRefused`.
 */
export async function openKysely(path: string, { isInUse = false } = {}): Promise<Db> {
  const db = new Kysely<Tables>({ dialect: createDialect(path, isInUse) })
  await ping(db)
  return db
}

/** Throws when the database cannot be read, or not be written. */
export async function ping(db: Db): Promise<void> {
  await db.transaction().execute((trx) => sql`select 1`.execute(trx))
}
