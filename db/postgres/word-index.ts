/** Which authors have which words, in a table of text search vectors (https://www.postgresql.org/docs/current/datatype-textsearch.html). */
import { type Expression, type RawBuilder, type SelectQueryBuilder, sql } from 'kysely'
import { compiledOnce, rowAt } from '../compiled.ts'
import type { Indexed, Wanted, WordIndex } from '../engine.ts'
import { inSizes } from '../insert-many.ts'
import type { Db, ReadDb, Tables } from '../tables.ts'

/** A lexeme has 2,046 bytes at most, and a character of UTF-8 four. */
const LONGEST_TERM = 511

/** As the index has it. */
export const clipped = (term: string) =>
  term.length <= LONGEST_TERM ? term : [...term].slice(0, LONGEST_TERM).join('')
const vectorOf = (terms: string) => sql<string>`array_to_tsvector(string_to_array(${terms}, ' '))`
/** The terms are ours, and have no spaces. */
export const clippedTerms = (terms: string) =>
  terms.length <= LONGEST_TERM ? terms : terms.split(' ').map(clipped).join(' ')

const UNUSED = { resultIsUnused: true }

const insertTerms = inSizes((size) =>
  compiledOnce<Indexed[]>()((_db) => {
    const rows = Array.from({ length: size }, (_, index) => rowAt<Indexed>(index))
    const values = rows.map(({ number, terms }) => sql`(${number}, ${vectorOf(terms)})`)
    return sql`insert into author_words (number, words) values ${sql.join(values)}`
  }, UNUSED)
)
const updateTerms = compiledOnce<Indexed>()(
  (_db, { number, terms }) =>
    sql`update author_words set words = ${vectorOf(terms)} where number = ${number}`,
  UNUSED
)
const deleteTerms = compiledOnce<{ number: number }>()(
  (_db, { number }) => sql`delete from author_words where number = ${number}`,
  UNUSED
)

/** The terms as the index has them. */
export function termsInIndex(terms: string): string[] {
  return clippedTerms(terms).split(' ')
}

async function addTerms(trx: Db, authors: readonly Indexed[]): Promise<void> {
  await insertTerms(
    trx,
    authors.map(({ number, terms }) => ({ number, terms: clippedTerms(terms) }))
  )
}

async function addStagedTerms(trx: Db, rows: Expression<Indexed>): Promise<void> {
  await sql`insert into author_words (number, words) select number, terms from ${rows} as added`.execute(trx)
}

/** What a staged row has in place of its terms: made before others have to wait. */
export function vectorOfTerms(terms: Expression<string>): RawBuilder<string> {
  const longest = sql.lit(LONGEST_TERM)
  return sql`array_to_tsvector(case when length(${terms}) <= ${longest} then string_to_array(${terms}, ' ')
    else array(select left(term, ${longest}) from unnest(string_to_array(${terms}, ' ')) as term) end)`
}

async function replaceTerms(trx: Db, { number, terms }: Indexed): Promise<void> {
  await updateTerms(trx, { number, terms: clippedTerms(terms) })
}

async function removeTerms(trx: Db, number: number): Promise<void> {
  await deleteTerms(trx, { number })
}

async function matchOf(_db: ReadDb, { terms, prefixes }: Wanted): Promise<string> {
  return [...terms.map(quoted), ...prefixes.map((prefix) => `${quoted(prefix)}:*`)].join(' & ')
}

/** No term has a quote or a backslash. */
function quoted(term: string): string {
  return `'${clipped(term)}'`
}

function matching(
  db: ReadDb,
  match: string,
  order?: { after: number | undefined; descending: boolean }
): SelectQueryBuilder<Tables, 'authors', object> {
  const query = db
    .selectFrom(sql`author_words`.as('found'))
    .innerJoin('authors', (join) => join.on(sql<boolean>`authors.number = found.number`))
    .where(sql<boolean>`found.words @@ ${match}::tsquery`)
  const inOrder = order === undefined ? query : ordered(query, order)
  return inOrder as unknown as SelectQueryBuilder<Tables, 'authors', object>
}

function ordered<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  { after, descending }: { after: number | undefined; descending: boolean }
) {
  const sorted = query.orderBy(sql`found.number`, descending ? 'desc' : 'asc')
  if (after === undefined) return sorted
  return sorted.where(sql<boolean>`found.number ${sql.raw(descending ? '<' : '>')} ${after}`)
}

async function countMatches(db: ReadDb, match: string, most: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from (
    select 1 from author_words where words @@ ${match}::tsquery limit ${most}
  ) as found`.execute(db as Db)
  return rows[0]?.count ?? 0
}

async function listMatches(
  db: ReadDb,
  match: string,
  { after, limit }: { after: number; limit: number }
): Promise<number[]> {
  const numbers = sql<{ number: number }>`select number from author_words
    where words @@ ${match}::tsquery and number > ${after} order by number limit ${limit}`
  return (await numbers.execute(db as Db)).rows.map(({ number }) => number)
}

export const POSTGRES_WORDS: WordIndex = {
  addTerms,
  addStagedTerms,
  replaceTerms,
  removeTerms,
  matchOf,
  matching,
  countMatches,
  listMatches
}
