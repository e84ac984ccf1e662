/** What the word index has, as its own tables say, and what it should have. */
import type Sqlite from 'better-sqlite3'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { termsOf } from '../../db/authors/words.ts'

export interface IndexedTerm {
  /** Of the author. */
  number: number
  term: string
}

/** Makes the table `indexed_terms` of this connection: a row for each author and each of its terms in the index. */
export function withIndexedTerms(database: Sqlite.Database): Sqlite.Database {
  return database.exec(`
    create virtual table if not exists temp.index_entries using fts5vocab (main, author_words, instance);
    create temp view if not exists indexed_terms as select doc as number, term from temp.index_entries`)
}

/** The terms that readers find authors by. */
export function indexedTerms(database: Sqlite.Database): IndexedTerm[] {
  return withIndexedTerms(database)
    .prepare('select number, term from indexed_terms order by number, term')
    .all() as IndexedTerm[]
}

/** The terms of one author, each once. */
export function expectedTerms(record: string): string[] {
  const author: AuthorRecord = JSON.parse(record)
  return [...new Set(termsOf(author).split(' '))]
}
