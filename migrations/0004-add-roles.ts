import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('users')
    .addColumn('role', 'text', (column) =>
      column.notNull().defaultTo('editor').check(sql`role in ('reader', 'editor', 'admin')`)
    )
    .execute()
  await db.schema.alterTable('users').addColumn('disabled_at', 'text').execute()
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('users').dropColumn('disabled_at').execute()
  await db.schema.alterTable('users').dropColumn('role').execute()
}
