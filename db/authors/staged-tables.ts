import { type Generated, type Insertable, type Kysely, sql } from 'kysely'
import { type AuthorsTable, SCHEMES, type Scheme } from './table.ts'

type Kept = 'slug' | 'booker_prize' | 'birth_year' | Scheme | 'name_key' | 'book_key' | 'sort_key'

/** An author as it is to be inserted, or the first row with the name and book of an author that is there already. */
export interface StagedAuthorsTable extends Pick<AuthorsTable, Kept> {
  /** The place among the rows, so in the order of creation. */
  position: Generated<number>
  /** Where it begins in the file. */
  line: number
  /** Of the author that is just so already; null when the row is to be inserted. */
  number: number | null
  /** What the word index is to have of it. */
  terms: string
  /** The author as JSON, but for its id and times, which it gets as it is inserted. */
  record: string
}

/** The further rows of the file with the name, book and content of one that is staged. */
export interface RepeatsTable {
  line: number
  position: number
}

export interface StagedTables {
  authors: StagedAuthorsTable
  repeats: RepeatsTable
}

export type StagedDb = Kysely<StagedTables>
export type StagedRow = Insertable<StagedAuthorsTable>

export const STAGED_COLUMNS = [
  'line',
  'number',
  'slug',
  'booker_prize',
  'birth_year',
  ...SCHEMES,
  'name_key',
  'book_key',
  'sort_key',
  'terms',
  'record'
] as const

const NUMBERS = new Set<string>(['line', 'number', 'booker_prize', 'birth_year'])

export async function createStagedTables(staged: Pick<Kysely<never>, 'schema'>): Promise<void> {
  let authors = staged.schema
    .createTable('authors')
    .addColumn('position', 'integer', (column) => column.primaryKey())
  for (const name of STAGED_COLUMNS) authors = authors.addColumn(name, NUMBERS.has(name) ? 'integer' : 'text')
  await authors.execute()
  await staged.schema.createIndex('by_key').on('authors').columns(['name_key', 'book_key']).execute()
  await staged.schema.createIndex('by_slug').on('authors').column('slug').execute()
  for (const name of [...SCHEMES, 'number']) {
    await staged.schema
      .createIndex(`by_${name}`)
      .on('authors')
      .column(name)
      .where(sql.ref(name), 'is not', null)
      .execute()
  }
  await staged.schema
    .createTable('repeats')
    .addColumn('line', 'integer')
    .addColumn('position', 'integer')
    .execute()
  await staged.schema.createIndex('by_position').on('repeats').column('position').execute()
}
