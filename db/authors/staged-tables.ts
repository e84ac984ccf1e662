import { type Generated, type Insertable, type Kysely, sql } from 'kysely'
import { type AuthorsTable, SCHEMES } from './table.ts'
import type { AuthorWordsTable } from './words.ts'
import { AUTHOR_COLUMNS } from './writing.ts'

/** An author as it is to be inserted, or the first row with the name and book of an author that is there already. */
export interface StagedAuthorsTable extends AuthorsTable {
  /** The place among the rows, so in the order of ids. */
  position: Generated<number>
  /** Where it begins in the file. */
  line: number
  /** The id of the author that is just so already; null when the row is to be inserted. */
  same_as: string | null
}

/** The further rows of the file with the name, book and content of one that is staged. */
export interface RepeatsTable {
  line: number
  position: number
}

export interface StagedTables {
  authors: StagedAuthorsTable
  /** Of the rows that are to be inserted. */
  author_words: AuthorWordsTable
  repeats: RepeatsTable
}

export type StagedDb = Kysely<StagedTables>
export type StagedRow = Insertable<StagedAuthorsTable>

export const STAGED_COLUMNS = [...AUTHOR_COLUMNS, 'line', 'same_as'] as const

const NUMBERS = new Set<string>(['booker_prize', 'birth_year', 'death_year', 'birth_key', 'version', 'line'])

/** The words are in the order of their index, in which it takes a fifth of the time to insert them. */
export async function createStagedTables(staged: Pick<Kysely<never>, 'schema'>): Promise<void> {
  let authors = staged.schema
    .createTable('authors')
    .addColumn('position', 'integer', (column) => column.primaryKey())
  for (const name of STAGED_COLUMNS) authors = authors.addColumn(name, NUMBERS.has(name) ? 'integer' : 'text')
  await authors.execute()
  await staged.schema.createIndex('by_key').on('authors').columns(['name_key', 'book_key']).execute()
  await staged.schema.createIndex('by_slug').on('authors').column('slug').execute()
  for (const name of [...SCHEMES, 'same_as']) {
    await staged.schema
      .createIndex(`by_${name}`)
      .on('authors')
      .column(name)
      .where(sql.ref(name), 'is not', null)
      .execute()
  }
  await staged.schema
    .createTable('author_words')
    .addColumn('word', 'text', (column) => column.notNull())
    .addColumn('author_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('author_words_key', ['word', 'author_id'])
    .modifyEnd(sql`without rowid`)
    .execute()
  await staged.schema
    .createTable('repeats')
    .addColumn('line', 'integer')
    .addColumn('position', 'integer')
    .execute()
  await staged.schema.createIndex('by_position').on('repeats').column('position').execute()
}
