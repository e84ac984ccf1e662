import { type Kysely, sql } from 'kysely'

/** What admins look for is found without a walk through all rows: deleted authors, the latest first, and users by role or state. */
const INDEXES = [
  "create index changes_deleted on changes (operation, sequence) where operation = 'deleted'",
  'create index users_role on users (role, id)',
  'create index users_disabled on users (id) where disabled_at is not null'
]

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const index of INDEXES) await sql.raw(index).execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const name of ['changes_deleted', 'users_role', 'users_disabled'])
    await sql.raw(`drop index ${name}`).execute(db)
}
