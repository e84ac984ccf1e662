import Sqlite from 'better-sqlite3'

/** Reads the file beside the running service. */
export function readFile<T>(databaseFile: string, read: (database: Sqlite.Database) => T): T {
  const database = new Sqlite(databaseFile, { readonly: true })
  try {
    return read(database)
  } finally {
    database.close()
  }
}
