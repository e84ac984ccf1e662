import { Kysely, sql } from 'kysely'
import type { ApiKeysTable } from './api-keys.ts'
import type { AuthorsTable } from './authors.ts'
import { createDialect } from './dialect.ts'
import type { PasswordResetsTable } from './password-resets.ts'
import type { RateLimitsTable } from './rate-limits.ts'
import type { SessionsTable } from './sessions.ts'
import type { UsersTable } from './users.ts'

export interface Tables {
  api_keys: ApiKeysTable
  authors: AuthorsTable
  password_resets: PasswordResetsTable
  sessions: SessionsTable
  rate_limits: RateLimitsTable
  users: UsersTable
}

/** A connection or a transaction: what every query function takes as its first argument. */
export type Db = Kysely<Tables>

/** Opens the database file and proves that it answers. Throws `DatabaseRefused`. */
export async function openKysely(path: string): Promise<Db> {
  const db = new Kysely<Tables>({ dialect: createDialect(path) })
  await ping(db)
  return db
}

/** Throws when the database cannot be read, or not be written. */
export async function ping(db: Db): Promise<void> {
  await db.transaction().execute((trx) => sql`select 1`.execute(trx))
}
