import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('changes')
    // Without autoincrement a number could be given a second time, after the last change were deleted.
    .addColumn('sequence', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('author_id', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('actor_id', 'text')
    .addColumn('at', 'text', (column) => column.notNull())
    .addColumn('operation', 'text', (column) =>
      column
        .notNull()
        .check(sql`operation in ('created', 'replaced', 'patched', 'deleted', 'restored', 'disowned')`)
    )
    .addColumn('record', 'text')
    .addColumn('deleted_slug', 'text')
    .addUniqueConstraint('changes_author_version_unique', ['author_id', 'version'])
    .modifyEnd(sql`strict`)
    .execute()
  await db.schema
    .createIndex('changes_deleted_slug')
    .on('changes')
    .columns(['deleted_slug', 'sequence'])
    .where('deleted_slug', 'is not', null)
    .execute()
  // The log begins with the authors that are there, each as it is now.
  await sql`
    insert into changes (author_id, version, actor_id, at, operation, record)
    select id, version, owner_id, updated_at, 'created', json_object(
      'id', id, 'slug', slug, 'name', name, 'book', book, 'country', country,
      'booker_prize', json(iif(booker_prize = 1, 'true', 'false')), 'birth_year', birth_year, 'death_year', death_year,
      'identifiers', json_object('viaf', viaf, 'isni', isni, 'wikidata', wikidata, 'openlibrary', openlibrary),
      'note', note, 'owner_id', owner_id, 'version', version, 'created_at', created_at, 'updated_at', updated_at)
    from authors order by id`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropTable('changes').execute()
}
