import { type Kysely, sql } from 'kysely'

/**
 * A row is a person with a book. So rows of one person share its identifiers; its book and country may be unknown, which is null; and
 * a person may have a name to be sorted by. Records in `authors` are answered as they are, so each gets the new field; those in the
 * log get it as they are read.
 */
type Db = Kysely<unknown>
type Tell = (progress: { step: string; done?: number; of?: number; percent: number }) => void

const SCHEMES = ['viaf', 'isni', 'wikidata', 'openlibrary']
const ROWS_A_SLICE = 20_000

const COLUMNS = [
  // The folded sort name; null where there is none.
  'sort_key text',
  "sort_name text generated always as (record ->> 'sort_name') virtual",
  'name_order text generated always as (coalesce(sort_key, name_key)) virtual'
]

const NEW_INDEXES = [
  'create index authors_name on authors (name_order)',
  ...SCHEMES.map(
    (scheme) => `create index authors_${scheme} on authors (${scheme}) where ${scheme} is not null`
  )
]
const OLD_INDEXES = [
  'create index authors_name on authors (name_key)',
  ...SCHEMES.map(
    (scheme) =>
      `create unique index authors_${scheme}_unique on authors (${scheme}) where ${scheme} is not null`
  )
]
/** The name of an index, which the statement that makes it has before ` on `. */
const dropOf = (index: string) => `drop index ${index.match(/(\w+) on /)?.[1]}`

const run = (db: Db, statement: string) => sql.raw(statement).execute(db)

/** Statements that each go over all rows, in one piece, and how many percent of the whole are done before and after them. */
async function runAll(db: Db, step: string, statements: string[], [from, to]: [number, number], tell: Tell) {
  for (const [index, statement] of statements.entries()) {
    tell({ step, percent: from + ((to - from) * index) / statements.length })
    await run(db, statement)
  }
}

/** The percents are what was measured with a million rows. */
export async function up(db: Db, tell: Tell = () => {}): Promise<void> {
  await runAll(
    db,
    'columns',
    COLUMNS.map((column) => `alter table authors add column ${column}`),
    [0, 40],
    tell
  )
  await rewriteRecords(db, ADD_SORT_NAME, (done, of) =>
    tell({ step: 'records', done, of, percent: 40 + (35 * done) / of })
  )
  await keepSortNames(db)
  await runAll(db, 'indexes', [...OLD_INDEXES.map(dropOf), ...NEW_INDEXES], [75, 100], tell)
}

/** Sort names that were given stay in the records, where the way up finds them again. */
export async function down(db: Db, tell: Tell = () => {}): Promise<void> {
  await refuseWhatIsNew(db)
  await runAll(db, 'indexes', [...NEW_INDEXES.map(dropOf), ...OLD_INDEXES], [0, 25], tell)
  await rewriteRecords(db, REMOVE_SORT_NAME, (done, of) =>
    tell({ step: 'records', done, of, percent: 25 + (30 * done) / of })
  )
  await runAll(db, 'log', OLD_LOG, [55, 65], tell)
  const names = COLUMNS.map((column) => column.split(' ', 1)[0])
  await runAll(
    db,
    'columns',
    names.toReversed().map((name) => `alter table authors drop column ${name}`),
    [65, 100],
    tell
  )
}

const ADD_SORT_NAME = `update authors set record = substr(record, 1, length(record) - 1) || ',"sort_name":null}'
  where json_type(record, '$.sort_name') is null`
const REMOVE_SORT_NAME = `update authors set record = json_remove(record, '$.sort_name')
  where json_type(record, '$.sort_name') = 'null'`

/** What was unknown in a past version becomes an empty text, since the version before answers texts alone. */
const OLD_LOG = [
  `update changes set before = json_remove(before, '$.sort_name')
  where json_type(before, '$.sort_name') = 'null'`,
  ...['book', 'country'].map(
    (field) => `update changes set before = json_set(before, '$.${field}', '')
    where json_type(before, '$.${field}') = 'null'`
  )
]

async function rewriteRecords(db: Db, statement: string, tell: (done: number, of: number) => void) {
  const { rows } = await sql<{ last: number | null }>`select max(number) as last from authors`.execute(db)
  const last = rows[0]?.last ?? 0
  for (let after = 0; after < last; after += ROWS_A_SLICE) {
    tell(after, last)
    await run(db, `${statement} and number > ${after} and number <= ${after + ROWS_A_SLICE}`)
  }
}

/** Those of a database that has been here before. */
async function keepSortNames(db: Db): Promise<void> {
  const named = await sql<{ number: number; sort_name: string }>`
    select number, sort_name from authors where sort_name is not null
  `.execute(db)
  for (const { number, sort_name } of named.rows) {
    await sql`update authors set sort_key = ${fold(sort_name)} where number = ${number}`.execute(db)
  }
}

const MARKED_LETTER = /([\p{Script=Latin}\p{Script=Greek}])\p{M}+/gu
const ASCII = /^[ -~]*$/

/** As names were folded then. */
function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase().replace(/ +/g, ' ').trim()
  return text
    .normalize('NFKD')
    .replace(MARKED_LETTER, '$1')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFC')
    .replace(/\s+/gu, ' ')
    .trim()
}

/** What the schema before cannot hold; each is what somebody has written, so that nothing is made up in its place. */
async function refuseWhatIsNew(db: Db): Promise<void> {
  const unknown = await count(
    db,
    `select count(*) as count from authors where book is null or country is null`
  )
  const sharing = await count(
    db,
    `select count(*) as count from authors a where ${SCHEMES.map(
      (scheme) => `exists (select 1 from authors b where b.${scheme} = a.${scheme} and b.number <> a.number)`
    ).join(' or ')}`
  )
  const faults = [
    ...(unknown > 0 ? [`${unknown} have no book or no country: give them both, or delete them`] : []),
    ...(sharing > 0 ? [`${sharing} share an identifier: leave each to one of them`] : [])
  ]
  if (faults.length === 0) return
  throw new Error(
    `The version before cannot hold all authors, and nothing was changed. ${faults.join('; ')}. Then try again.`
  )
}

async function count(db: Db, query: string): Promise<number> {
  const { rows } = await sql.raw<{ count: number }>(query).execute(db)
  return rows[0]?.count as number
}
