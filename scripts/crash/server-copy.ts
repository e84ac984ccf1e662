import Sqlite from 'better-sqlite3'
import { Connection, serverOf } from '../../db/postgres/connection.ts'
import { migrateToLatest } from '../../db/sqlite/upkeep/migrating.ts'

const TABLES = ['users', 'former_users', 'authors', 'changes']

/** Copies what must be sound from a server to a new file, all of one moment, so that one look finds what is wrong with either. */
export async function copyServer(databaseUrl: string, file: string): Promise<void> {
  await migrateToLatest(file, {})
  const copy = new Sqlite(file)
  const server = await Connection.open(serverOf(databaseUrl), { name: 'copying' })
  try {
    await server.runAll(['begin isolation level repeatable read read only'])
    for (const table of TABLES) insertAll(copy, table, await rowsOf(server, `select * from ${table}`))
    const words =
      "select number as rowid, array_to_string(tsvector_to_array(words), ' ') as words from author_words"
    insertAll(copy, 'author_words', await rowsOf(server, words))
  } finally {
    await server.close()
    copy.close()
  }
}

async function rowsOf(server: Connection, sql: string): Promise<Record<string, unknown>[]> {
  return (await server.run({ sql, parameters: [] })).rows as Record<string, unknown>[]
}

function insertAll(copy: Sqlite.Database, table: string, rows: Record<string, unknown>[]): void {
  const plain = copy.prepare(`select name from pragma_table_info('${table}')`).pluck().all() as string[]
  const columns = table === 'author_words' ? ['rowid', ...plain] : plain
  const values = columns.map(() => '?').join(', ')
  const insert = copy.prepare(`insert into ${table} (${columns.join(', ')}) values (${values})`)
  const bind = (value: unknown) => (Number.isInteger(value) ? BigInt(value as number) : value)
  copy.transaction(() => {
    for (const row of rows) insert.run(columns.map((column) => bind(row[column])))
  })()
}
