import { type Selectable, sql } from 'kysely'
import {
  type AuthorRow,
  foldTexts,
  type Numbers,
  parseRecord,
  SCHEMES,
  toColumns
} from '../../authors/table.ts'
import { termsOf } from '../../authors/words.ts'
import type { Db } from '../../tables.ts'
import { termsInIndex } from '../word-index.ts'

const AUTHORS_A_PAGE = 1000
const MOST_TOLD = 20
/** Ends the key of an author that a migration has found to be the same as another. */
const KEPT_APART = '\uE004'

const COLUMNS = [
  'id',
  'slug',
  'booker_prize',
  'birth_year',
  ...SCHEMES,
  'version',
  'updated_at',
  'name_key',
  'sort_key'
] as const

type Checkable = Selectable<AuthorRow> &
  Numbers & {
    owner_id: string | null
    words: string[] | null
  }

/** Compares the columns and the words of each author with its record; gives how many there are too. */
export async function checkAuthors(db: Db): Promise<{ count: number; faults: string[] }> {
  const faults: string[] = await findStrayWords(db)
  let [count, after] = [0, 0]
  for (;;) {
    const page = await readPage(db, after)
    faults.push(...page.flatMap(faultsOf))
    count += page.length
    after = page.at(-1)?.number ?? after
    if (page.length < AUTHORS_A_PAGE) return { count, faults: few(faults) }
  }
}

async function readPage(db: Db, after: number): Promise<Checkable[]> {
  const { rows } = await sql<Checkable>`select authors.*, tsvector_to_array(author_words.words) as words,
      (select id from users where number = owner_number) as owner_id
    from authors left join author_words using (number)
    where number > ${after} order by number limit ${AUTHORS_A_PAGE}`.execute(db)
  return rows
}

function faultsOf(row: Checkable): string[] {
  const author = parseRecord(row.record)
  const folded = foldTexts(author)
  const columns = toColumns(author, row, folded)
  const differing = COLUMNS.filter((column) => row[column] !== columns[column])
  const isApart = row.book_key.startsWith(columns.book_key + KEPT_APART)
  if (row.book_key !== columns.book_key && !isApart) differing.push('book_key' as never)
  if (row.owner_id !== author.owner_id) differing.push('owner_number' as never)
  const faults = differing.map((column) => `author ${row.id}: its ${column} is not that of its record`)
  if (row.words === null) return [...faults, `author ${row.id}: it cannot be found by its words`]
  const terms = new Set(termsInIndex(termsOf(author, folded)))
  const isSame = row.words.length === terms.size && row.words.every((word) => terms.has(word))
  return isSame ? faults : [...faults, `author ${row.id}: its words are not those that it is found by`]
}

async function findStrayWords(db: Db): Promise<string[]> {
  const { rows } = await sql<{ number: number }>`select number from author_words
    where not exists (select from authors where authors.number = author_words.number) order by 1`.execute(db)
  return rows.map(({ number }) => `there are words of an author (number ${number}) who is not there`)
}

function few(faults: string[]): string[] {
  if (faults.length <= MOST_TOLD) return faults
  return [...faults.slice(0, MOST_TOLD), `and ${faults.length - MOST_TOLD} more like these`]
}
