import { type Kysely, sql } from 'kysely'

/** What decides whether a user is let in, and when it says something else than before. */
const TRIGGERS = {
  users_changed: `after update of role, disabled_at on users
    when old.role is not new.role or old.disabled_at is not new.disabled_at`,
  users_deleted: 'after delete on users',
  sessions_changed: `after update of user_id, ended_at, expires_at on sessions
    when old.user_id is not new.user_id or old.ended_at is not new.ended_at or old.expires_at is not new.expires_at`,
  sessions_deleted: 'after delete on sessions when old.ended_at is null',
  api_keys_changed: `after update of user_id, scope, key_hash, expires_at on api_keys`,
  api_keys_deleted: 'after delete on api_keys'
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('account_changes')
    // With autoincrement no number is given twice: a reader that has seen one knows what came after it.
    .addColumn('sequence', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('user_id', 'text', (column) => column.notNull())
    .modifyEnd(sql`strict`)
    .execute()
  for (const [name, event] of Object.entries(TRIGGERS)) {
    const user = event.endsWith('on users') || name === 'users_changed' ? 'old.id' : 'old.user_id'
    await sql
      .raw(
        `create trigger ${name} ${event}
        begin insert into account_changes (user_id) values (${user}); end`
      )
      .execute(db)
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const name of Object.keys(TRIGGERS)) await sql.raw(`drop trigger ${name}`).execute(db)
  await db.schema.dropTable('account_changes').execute()
}
