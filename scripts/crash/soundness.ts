/** What must hold of the file itself. */
import { readFile } from './database-file.ts'

/** Each gives a row for what is half there. */
const HALVES = {
  'the columns of an author are not its record': `
    select id from authors where record is not json_object(
      'id', id, 'slug', slug, 'name', name, 'book', book, 'country', country,
      'booker_prize', json(iif(booker_prize = 1, 'true', 'false')), 'birth_year', birth_year, 'death_year', death_year,
      'identifiers', json_object('viaf', viaf, 'isni', isni, 'wikidata', wikidata, 'openlibrary', openlibrary),
      'note', note, 'owner_id', owner_id, 'version', version, 'created_at', created_at, 'updated_at', updated_at)`,
  'an author is not its last change': `
    select authors.id from authors
    left join (select author_id, max(version) as version from changes group by author_id) as last on last.author_id = id
    left join changes on changes.author_id = authors.id and changes.version = last.version
    where changes.record is not authors.record`,
  'an author is gone without a change': `
    select author_id as id from changes left join authors on id = author_id
    group by author_id having (max(changes.version) = max(iif(operation = 'deleted', changes.version, 0))) is not (id is null)`,
  'an account is deleted in part': `
    select id from users where username_key like 'DELETED %'`,
  'a change is missing between others': `
    select author_id as id from changes group by author_id having count(*) is not max(version)`,
  'a word is of no author': `
    select author_id as id from author_words left join authors on id = author_id
    where id is null or instr(words || ' ', ' ' || word || ' ') = 0`,
  'an author lacks a word': `
    select id from authors left join (select author_id, count(*) as entries from author_words group by author_id) on author_id = id
    where length(words) - length(replace(words, ' ', '')) is not coalesce(entries, 0)`
}

/** What SQLite and our own tables say against the file. */
export function unsoundness(databaseFile: string): string[] {
  return readFile(databaseFile, (database) => {
    const problems = database.pragma('integrity_check') as { integrity_check: string }[]
    const dangling = database.pragma('foreign_key_check') as { table: string; rowid: number }[]
    return [
      ...problems
        .map((row) => row.integrity_check)
        .filter((problem) => problem !== 'ok')
        .map((problem) => `integrity_check: ${problem}`),
      ...dangling.map(({ table, rowid }) => `foreign_key_check: row ${rowid} of ${table}`),
      ...Object.entries(HALVES).flatMap(([what, sql]) =>
        (database.prepare(sql).all() as { id: string }[]).map(({ id }) => `half: ${what}: ${id}`)
      )
    ]
  })
}
