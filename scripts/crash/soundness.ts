/** What must hold of the file itself. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type Sqlite from 'better-sqlite3'
import { SCHEMES } from '../../db/authors/table.ts'
import { databaseFile, isServer } from '../../db/dialect.ts'
import { foldText } from '../../db/text.ts'
import { readFile } from './database-file.ts'
import { expectedTerms, withIndexedTerms } from './indexed-terms.ts'
import { copyServer } from './server-copy.ts'

/** The id of the author with a number, who may be deleted. */
const idOf = (number: string) => `coalesce(
  (select id from authors where authors.number = ${number}),
  (select deleted_id from changes as deletion where author_number = ${number} and deleted_id is not null limit 1),
  '(number ' || ${number} || ')'
)`

/** Each version with what the author was before it, after it, and before the one before. */
const VERSIONS = `(
  select changes.*, ${idOf('changes.author_number')} as id, coalesce(next.before, now.record) as after,
    last.before as earlier, last.operation as last_operation, last.at as last_at
  from changes
  left join changes as next on next.author_number = changes.author_number and next.version = changes.version + 1
  left join changes as last on last.author_number = changes.author_number and last.version = changes.version - 1
  left join authors as now on now.number = changes.author_number and now.version = changes.version
)`

const NOT_SET_BY_USERS = ['id', 'slug', 'owner_id', 'created_at']

const EXPECTED_TERMS = 'select number, value as term from authors, json_each(expected_terms(record))'
const INDEXED_TERMS = 'select number, term from indexed_terms'

/** Each gives a row for what is half there. */
const HALVES = {
  'the columns of an author are not its record': `
    select id from authors where record is not json_object(
      'id', id, 'slug', slug, 'name', name, 'sort_name', sort_name, 'book', book, 'country', country,
      'booker_prize', json(iif(booker_prize = 1, 'true', 'false')), 'birth_year', birth_year, 'death_year', death_year,
      'identifiers', json_object('viaf', viaf, 'isni', isni, 'wikidata', wikidata, 'openlibrary', openlibrary),
      'note', note, 'owner_id', (select users.id from users where users.number = owner_number),
      'version', version, 'created_at', created_at, 'updated_at', updated_at)`,
  'the keys of an author are not those of its record': `
    select id from authors where name_key is not fold(record ->> 'name')
      or book_key is not fold(coalesce(record ->> 'book', ''))
      or sort_key is not iif(record ->> 'sort_name' is null, null, fold(record ->> 'sort_name'))
      or name_order is not coalesce(sort_key, name_key)
      or birth_key is not coalesce(record ->> 'birth_year', 9999)`,
  'authors of different names share an identifier': SCHEMES.map(
    (scheme) => `
    select min(id) as id from authors where ${scheme} is not null
    group by ${scheme} having count(distinct name_key) > 1`
  ).join(' union all '),
  'an author is not its last change': `
    select authors.id from authors
    left join (select author_number, max(version) as version from changes group by author_number) as last
      on last.author_number = number
    left join changes on changes.author_number = number and changes.version = last.version
    where changes.version is not authors.version or changes.at is not authors.updated_at
      or changes.operation = 'deleted'`,
  'a version is no more what it was, or still is though it was deleted': `
    select id from ${VERSIONS} where (after is null) is not (operation = 'deleted')`,
  'a change does not say what it replaced': `
    select id from ${VERSIONS} where (before is null) is not (operation in ('created', 'restored'))
      or before ->> 'version' is not iif(before is null, null, version - 1)
      or before ->> 'updated_at' is not iif(before is null, null, last_at)`,
  'a change is not of the version that it says': `
    select id from ${VERSIONS} where after ->> 'version' is not iif(after is null, null, version)
      or after ->> 'updated_at' is not iif(after is null, null, at)`,
  'a change does not follow from the one before': `
    select id from ${VERSIONS} where (version = 1) is not (operation = 'created')
      or (operation = 'restored') is not (last_operation is 'deleted')`,
  'an author is not numbered by its creation': `
    select id from ${VERSIONS} where operation = 'created'
      and (sequence is not author_number or after ->> 'created_at' is not at)`,
  'the order of numbers is not that of ids': `
    select later.id from (
      select id, lag(id) over (order by number) as before from (
        select id, number from authors union select deleted_id, author_number from changes where deleted_id is not null
      )
    ) as later where later.before >= later.id`,
  'a change has changed what it must leave': `
    select id from ${VERSIONS} where
      operation in ('replaced', 'patched') and (${NOT_SET_BY_USERS.map((field) => `before ->> '${field}' is not after ->> '${field}'`).join(' or ')})
      or operation = 'disowned' and after is not
        json_set(before, '$.owner_id', null, '$.version', version, '$.updated_at', at)
      or operation = 'restored' and after is not json_set(earlier, '$.slug', after ->> 'slug',
        '$.owner_id', after ->> 'owner_id', '$.version', version, '$.updated_at', at)`,
  'the actor of a change is nobody': `
    select id from ${VERSIONS} where actor_number not in (select number from users union select number from former_users)
      or actor_number is null`,
  'a user is there and is gone': `
    select users.id from users join former_users on former_users.id = users.id or former_users.number = users.number`,
  'an account is deleted in part': `
    select id from users where username_key like 'DELETED %'`,
  'a change is missing between others': `
    select ${idOf('changes.author_number')} as id from changes group by author_number
    having count(*) is not max(version) or min(version) is not 1`,
  'a term is of no author': `
    select ${idOf('astray.number')} as id from (${INDEXED_TERMS} except ${EXPECTED_TERMS}) as astray`,
  'an author lacks a term': `
    select ${idOf('astray.number')} as id from (${EXPECTED_TERMS} except ${INDEXED_TERMS}) as astray`,
  'the word index has an entry of no author': `
    select ${idOf('astray.number')} as id from (select rowid as number from author_words except select number from authors) as astray`,
  'the word index has no entry of an author': `
    select ${idOf('astray.number')} as id from (select number from authors except select rowid as number from author_words) as astray`
}

/** What speaks against the database that a `DATABASE_URL` names. */
export async function unsoundnessOf(databaseUrl: string): Promise<string[]> {
  if (!isServer(databaseUrl)) return unsoundness(databaseFile(databaseUrl))
  const folder = mkdtempSync(path.join(tmpdir(), 'library-copy-'))
  try {
    const copy = path.join(folder, 'library.db')
    await copyServer(databaseUrl, copy)
    return unsoundness(copy)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What SQLite and our own tables say against the file. */
export function unsoundness(databaseFile: string): string[] {
  return readFile(databaseFile, (database) =>
    withFunctions(database).transaction(() => problemsOf(database))()
  )
}

function withFunctions(database: Sqlite.Database): Sqlite.Database {
  return withIndexedTerms(database)
    .function('fold', { deterministic: true }, (text) => foldText(text as string))
    .function('expected_terms', { deterministic: true }, (record) =>
      JSON.stringify(expectedTerms(record as string))
    )
}

/** All of one moment. The first of these checks compares the word index with itself as well. */
function problemsOf(database: Sqlite.Database): string[] {
  const problems = database.pragma('integrity_check') as { integrity_check: string }[]
  const dangling = database.pragma('foreign_key_check') as { table: string; rowid: number }[]
  return [
    ...problems
      .map((row) => row.integrity_check)
      .filter((problem) => problem !== 'ok')
      .map((problem) => `integrity_check: ${problem}`),
    ...dangling.map(({ table, rowid }) => `foreign_key_check: row ${rowid} of ${table}`),
    ...Object.entries(HALVES).flatMap(([what, sql]) =>
      halvesOf(database, sql).map((half) => `half: ${what}: ${half}`)
    )
  ]
}

function halvesOf(database: Sqlite.Database, sql: string): string[] {
  try {
    return database.prepare(sql).pluck().all() as string[]
  } catch (error) {
    return [(error as Error).message]
  }
}
