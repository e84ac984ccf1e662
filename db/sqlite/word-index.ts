/** Which authors have which words, in SQLite's full-text index (https://sqlite.org/fts5.html). */
import { type Expression, type SelectQueryBuilder, sql } from 'kysely'
import { compiledOnce } from '../compiled.ts'
import type { Indexed, Wanted, WordIndex } from '../engine.ts'
import type { Db, ReadDb, Tables } from '../tables.ts'

/** SQLite has the matches of these ready; those of a longer beginning it would first have to put together, from all words. */
const LONGEST_INDEXED_PREFIX = 3
/** So many words that go on from a beginning are named one by one instead. To list a word takes as long as it has authors. */
const MOST_LONGER_WORDS = 64
/** The first and the last character that a word can have. */
const FIRST = '0'
const LAST = '\u{10FFFF}'

/** better-sqlite3 binds numbers as REAL, by which the index finds no row. */
const integer = (number: number) => sql<number>`cast(${number} as integer)`

const insertTerms = compiledOnce<Indexed>()(
  (_db, { number, terms }) =>
    sql`insert into author_words (rowid, words) values (${integer(number)}, ${terms})`
)
const updateTerms = compiledOnce<Indexed>()(
  (_db, { number, terms }) => sql`update author_words set words = ${terms} where rowid = ${integer(number)}`
)
const deleteTerms = compiledOnce<{ number: number }>()(
  (_db, { number }) => sql`delete from author_words where rowid = ${integer(number)}`
)

async function addTerms(trx: Db, authors: readonly Indexed[]): Promise<void> {
  for (const author of authors) await insertTerms(trx, author)
}

/** The same for rows of a number and terms, as a query gives them. */
async function addStagedTerms(trx: Db, rows: Expression<Indexed>): Promise<void> {
  await sql`insert into author_words (rowid, words) select cast(number as integer), terms from ${rows}`.execute(
    trx
  )
}

async function replaceTerms(trx: Db, author: Indexed): Promise<void> {
  await updateTerms(trx, author)
}

async function removeTerms(trx: Db, number: number): Promise<void> {
  await deleteTerms(trx, { number })
}

const selectWords = compiledOnce<{ first: string; end: string; limit: number }>()(
  (_db, { first, end, limit }) =>
    sql<{
      term: string
    }>`select term from author_terms where term >= ${first} and term < ${end} limit (${limit} + 0)`
)

async function matchOf(db: ReadDb, { terms, prefixes }: Wanted): Promise<string> {
  const parts = terms.map(quoted)
  for (const prefix of prefixes) parts.push(await matchOfPrefix(db, prefix))
  return parts.join(' AND ')
}

async function matchOfPrefix(db: ReadDb, prefix: string): Promise<string> {
  if ([...prefix].length <= LONGEST_INDEXED_PREFIX) return `${quoted(prefix)} *`
  const limit = MOST_LONGER_WORDS + 1
  const { rows } = await selectWords(db, { first: prefix + FIRST, end: prefix + LAST, limit })
  if (rows.length === limit) return `${quoted(prefix)} *`
  return `(${[prefix, ...rows.map(({ term }) => term)].map(quoted).join(' OR ')})`
}

function quoted(term: string): string {
  return `"${term}"`
}

function matching(
  db: ReadDb,
  match: string,
  order?: { after: number | undefined; descending: boolean }
): SelectQueryBuilder<Tables, 'authors', object> {
  const query = db
    .selectFrom(sql`author_words`.as('found'))
    .crossJoin('authors')
    .where(sql<boolean>`authors.number = found.rowid and author_words match ${match}`)
  const inOrder = order === undefined ? query : ordered(query, order)
  return inOrder as unknown as SelectQueryBuilder<Tables, 'authors', object>
}

/** By the number in the index, whose order SQLite knows. */
function ordered<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  { after, descending }: { after: number | undefined; descending: boolean }
) {
  const sorted = query.orderBy(sql`found.rowid`, descending ? 'desc' : 'asc')
  if (after === undefined) return sorted
  const operator = sql.raw(descending ? '<' : '>')
  return sorted.where(sql<boolean>`found.rowid ${operator} ${integer(after)}`)
}

async function countMatches(db: ReadDb, match: string, most: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from (
    select 1 from author_words where author_words match ${match} limit (${most} + 0)
  )`.execute(db as Db)
  return rows[0]?.count ?? 0
}

async function listMatches(
  db: ReadDb,
  match: string,
  { after, limit }: { after: number; limit: number }
): Promise<number[]> {
  const numbers = sql<{ rowid: number }>`select rowid from author_words
    where author_words match ${match} and rowid > ${integer(after)} order by rowid limit (${limit} + 0)`
  return (await numbers.execute(db as Db)).rows.map(({ rowid }) => rowid)
}

export const SQLITE_WORDS: WordIndex = {
  addTerms,
  addStagedTerms,
  replaceTerms,
  removeTerms,
  matchOf,
  matching,
  countMatches,
  listMatches
}
