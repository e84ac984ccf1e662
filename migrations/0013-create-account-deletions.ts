import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('account_deletions')
    .addColumn('user_id', 'text', (column) =>
      column.primaryKey().notNull().references('users.id').onDelete('cascade')
    )
    .addColumn('actor_id', 'text', (column) => column.notNull())
    .addColumn('begun_at', 'text', (column) => column.notNull())
    .modifyEnd(sql`strict`)
    .execute()
  // Sessions that are over are looked for here, to be deleted.
  await sql`
    create index sessions_over on sessions (
      (case when ended_at < idle_expires_at then ended_at else idle_expires_at end)
    )`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('sessions_over').execute()
  await db.schema.dropTable('account_deletions').execute()
}
