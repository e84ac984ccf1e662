import { createHash } from 'node:crypto'
import Sqlite from 'better-sqlite3'

/** When it was migrated. */
const OF_THE_MOMENT = new Set(['kysely_migration'])

/** A digest of the rows of each table, and the schema, so that two files can be compared. Throws when the file is damaged. */
export function contentsOf(file: string): Record<string, string> {
  const database = new Sqlite(file, { readonly: true })
  try {
    const result = database.pragma('integrity_check(1)', { simple: true })
    if (result !== 'ok') throw new Error(`${file}: ${result}`)
    const tables = tablesOf(database).filter((table) => !OF_THE_MOMENT.has(table))
    return {
      schema: digest(schemaOf(database)),
      migrations: digest(database.prepare('select name from kysely_migration order by 1').iterate()),
      ...Object.fromEntries(tables.map((table) => [table, digest(rowsOf(database, table))]))
    }
  } finally {
    database.close()
  }
}

/** All that was made, in the words in which it was. */
export function schemaOf(database: Sqlite.Database): string[] {
  return database
    .prepare('select sql from sqlite_schema where sql is not null order by 1')
    .pluck()
    .all() as string[]
}

/** The tables with rows that mean something: the parts of a full-text index mean the same in different forms. */
export function tablesOf(database: Sqlite.Database): string[] {
  const names = database
    .prepare(
      "select name from pragma_table_list where schema = 'main' and type = 'table' and name <> 'sqlite_schema'"
    )
    .pluck()
    .all() as string[]
  const virtual = database
    .prepare("select name from pragma_table_list where schema = 'main' and type = 'virtual'")
    .pluck()
    .all() as string[]
  return [...names, ...virtual.filter((name) => name === 'author_words')].sort()
}

/** In an order that does not depend on how they came there. */
export function rowsOf(database: Sqlite.Database, table: string): Iterable<unknown> {
  const isIndex = database.prepare("select 1 from pragma_table_list where name = ? and type = 'virtual'")
  if (isIndex.get(table) === undefined) {
    return database.prepare(`select * from ${table} order by 1, 2`).raw().iterate() as Iterable<unknown>
  }
  database.exec(`create virtual table temp.postings using fts5vocab (main, ${table}, instance)`)
  return database
    .prepare('select term, doc from postings order by term, doc')
    .raw()
    .iterate() as Iterable<unknown>
}

function digest(rows: Iterable<unknown>): string {
  const hash = createHash('sha256')
  for (const row of rows) hash.update(JSON.stringify(row))
  return hash.digest('hex')
}

/** What two files do not have in common. */
export function differences(expected: Record<string, string>, actual: Record<string, string>): string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)])
  return [...names].filter((name) => expected[name] !== actual[name]).map((name) => `${name} differs`)
}
