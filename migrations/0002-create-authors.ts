import { type Kysely, sql } from 'kysely'

const IDENTIFIERS = ['viaf', 'isni', 'wikidata', 'openlibrary'] as const

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('authors')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('slug', 'text', (column) => column.notNull().unique())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('book', 'text', (column) => column.notNull())
    .addColumn('country', 'text', (column) => column.notNull())
    .addColumn('booker_prize', 'integer', (column) => column.notNull().check(sql`booker_prize in (0, 1)`))
    .addColumn('birth_year', 'integer')
    .addColumn('death_year', 'integer')
    .addColumn('viaf', 'text')
    .addColumn('isni', 'text')
    .addColumn('wikidata', 'text')
    .addColumn('openlibrary', 'text')
    .addColumn('note', 'text')
    .addColumn('owner_id', 'text', (column) => column.references('users.id').onDelete('set null'))
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('name_key', 'text', (column) => column.notNull())
    .addColumn('book_key', 'text', (column) => column.notNull())
    .addUniqueConstraint('authors_name_book_unique', ['name_key', 'book_key'])
    .modifyEnd(sql`strict`)
    .execute()
  // Deleting a user looks for its authors here.
  await db.schema.createIndex('authors_owner').on('authors').column('owner_id').execute()
  for (const scheme of IDENTIFIERS) {
    await db.schema
      .createIndex(`authors_${scheme}_unique`)
      .unique()
      .on('authors')
      .column(scheme)
      .where(scheme, 'is not', null)
      .execute()
  }
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropTable('authors').execute()
}
