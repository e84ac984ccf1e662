import { Kysely } from 'kysely'
import { readDialect } from '../../db/dialect.ts'
import type { ReadDb, Tables } from '../../db/tables.ts'

/** Reads the database beside the running service. */
export async function readBeside<T>(databaseUrl: string, read: (db: ReadDb) => Promise<T>): Promise<T> {
  const db = new Kysely<Tables>({ dialect: await readDialect(databaseUrl) })
  try {
    return await read(db)
  } finally {
    await db.destroy()
  }
}
