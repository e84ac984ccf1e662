import { type Kysely, sql } from 'kysely'

const ROWS_AT_ONCE = 1000
const UNKNOWN_YEAR = 9999
const DIACRITICS = /(?<=[\p{Script=Latin}\p{Script=Greek}])\p{M}+/gu
const WORD = /[\p{L}\p{M}\p{N}]+/gu

interface Author {
  id: string
  name: string
  book: string
  country: string
}

export async function up(db: Kysely<unknown>): Promise<void> {
  const text = (name: string) =>
    db.schema.alterTable('authors').addColumn(name, 'text', (column) => column.notNull().defaultTo(''))
  await text('country_key').execute()
  await text('words').execute()
  await db.schema
    .alterTable('authors')
    .addColumn('birth_key', 'integer', (column) => column.notNull().defaultTo(UNKNOWN_YEAR))
    .execute()
  await db.schema
    .createTable('author_words')
    .addColumn('word', 'text', (column) => column.notNull())
    .addColumn('author_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('author_words_key', ['word', 'author_id'])
    .modifyEnd(sql`strict, without rowid`)
    .execute()
  await fill(db.withTables())
  await freeReservedSlugs(db.withTables())

  await db.schema.dropIndex('authors_owner').execute()
  const orders = {
    owner: 'owner_id',
    country: 'country_key',
    name: 'name_key',
    updated: 'updated_at',
    birth: 'birth_key'
  }
  for (const [name, column] of Object.entries(orders)) {
    await db.schema.createIndex(`authors_${name}`).on('authors').columns([column, 'id']).execute()
  }
  await db.schema
    .createIndex('authors_booker_prize')
    .on('authors')
    .column('id')
    .where(sql.ref('booker_prize'), '=', sql.lit(1))
    .execute()
}

// biome-ignore lint/suspicious/noExplicitAny: the tables as they are at this point
type AnyDb = Kysely<any>

async function fill(db: AnyDb): Promise<void> {
  await db
    .updateTable('authors')
    .set({ birth_key: sql`coalesce(birth_year, ${sql.lit(UNKNOWN_YEAR)})` })
    .execute()
  for (let after = ''; ; ) {
    const authors: Author[] = await db
      .selectFrom('authors')
      .select(['id', 'name', 'book', 'country'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(ROWS_AT_ONCE)
      .execute()
    for (const author of authors) await fillOne(db, author)
    if (authors.length < ROWS_AT_ONCE) return
    after = authors.at(-1)?.id as string
  }
}

async function fillOne(db: AnyDb, { id, name, book, country }: Author): Promise<void> {
  const words = [
    ...new Set([name, book, country].flatMap((text) => fold(text).replaceAll('ς', 'σ').match(WORD) ?? []))
  ]
  await db
    .updateTable('authors')
    .set({ country_key: fold(country), words: words.map((word) => ` ${word}`).join('') })
    .where('id', '=', id)
    .execute()
  for (const word of words) await db.insertInto('author_words').values({ word, author_id: id }).execute()
}

/** These have come to stand in the place of a slug in an address. */
async function freeReservedSlugs(db: AnyDb): Promise<void> {
  for (const slug of ['export', 'import']) {
    await db
      .updateTable('authors')
      .set({ slug: sql`${`author-${slug}-`} || substr(id, -12)` })
      .where('slug', '=', slug)
      .execute()
  }
}

function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(DIACRITICS, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFC')
    .replace(/\s+/gu, ' ')
    .trim()
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const name of ['owner', 'country', 'name', 'updated', 'birth', 'booker_prize']) {
    await db.schema.dropIndex(`authors_${name}`).execute()
  }
  await db.schema.dropTable('author_words').execute()
  for (const column of ['country_key', 'words', 'birth_key']) {
    await db.schema.alterTable('authors').dropColumn(column).execute()
  }
  await db.schema.createIndex('authors_owner').on('authors').column('owner_id').execute()
}
