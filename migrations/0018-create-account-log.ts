import { type Kysely, SqliteAdapter, sql } from 'kysely'

/** What was done to accounts, and by whom. Of users who are gone it keeps the rows, so that nothing refers to `users`. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const isSqlite = db.getExecutor().adapter instanceof SqliteAdapter
  const [text, number, end] = isSqlite
    ? ['text', 'integer', 'strict, without rowid']
    : ['text collate "C"', 'bigint', '']
  await sql
    .raw(
      `create table account_log (
        user_number ${number} not null,
        entry ${number} not null,
        at ${text} not null,
        action ${text} not null,
        actor_number ${number},
        operator ${text},
        old_role ${text},
        new_role ${text},
        key_id ${text},
        primary key (user_number, entry)
      ) ${end}`
    )
    .execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropTable('account_log').execute()
}
