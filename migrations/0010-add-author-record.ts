import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('authors')
    .addColumn('record', 'text', (column) => column.notNull().defaultTo(''))
    .execute()
  await sql`
    update authors set record = json_object(
      'id', id, 'slug', slug, 'name', name, 'book', book, 'country', country,
      'booker_prize', json(iif(booker_prize = 1, 'true', 'false')), 'birth_year', birth_year, 'death_year', death_year,
      'identifiers', json_object('viaf', viaf, 'isni', isni, 'wikidata', wikidata, 'openlibrary', openlibrary),
      'note', note, 'owner_id', owner_id, 'version', version, 'created_at', created_at, 'updated_at', updated_at)`.execute(
    db
  )
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('authors').dropColumn('record').execute()
}
