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

/** What is in a column; terms are of their author, as the word index is to have them. */
export type StagedKind = 'key' | 'number' | 'text' | 'terms'

const AUTHORS: Record<keyof StagedAuthorsTable, StagedKind> = {
  position: 'key',
  line: 'number',
  number: 'number',
  slug: 'text',
  booker_prize: 'number',
  birth_year: 'number',
  viaf: 'text',
  isni: 'text',
  wikidata: 'text',
  openlibrary: 'text',
  name_key: 'text',
  book_key: 'text',
  sort_key: 'text',
  terms: 'terms',
  record: 'text'
}

export const STAGED_TABLES: Record<keyof StagedTables, Record<string, StagedKind>> = {
  authors: AUTHORS,
  repeats: { line: 'number', position: 'number' }
}

type Schema = Pick<Kysely<never>, 'schema'>

/** The tables in a file of their own. */
export async function createStagedTables({ schema }: Schema): Promise<void> {
  for (const [name, columns] of Object.entries(STAGED_TABLES)) {
    let table = schema.createTable(name)
    for (const [column, kind] of Object.entries(columns)) {
      const type = kind === 'key' || kind === 'number' ? 'integer' : 'text'
      table = table.addColumn(column, type, (one) => (kind === 'key' ? one.primaryKey() : one))
    }
    await table.execute()
  }
}

/** By what rows are found again when others have changed something. */
export async function createStagedIndexes(staged: Schema): Promise<void> {
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
  await staged.schema.createIndex('by_position').on('repeats').column('position').execute()
}
