import { existsSync, realpathSync } from 'node:fs'
import { Kysely } from 'kysely'
import { releaseLock } from '../../file-lock.ts'
import { createMigrator, refuseNewerSchema } from '../../migrator.ts'
import type { Tables } from '../../tables.ts'
import type { Upkeep } from '../../upkeep.ts'
import { copiesOfFile } from '../backups/copies.ts'
import { Connection } from '../connection.ts'
import { ConnectionDialect } from '../dialect.ts'
import { holding, lockOf } from '../moving/side.ts'
import { openDatabase } from '../open.ts'
import { checkFile } from './check.ts'
import { migrateDown, migrateToLatest } from './migrating.ts'
import { vacuumFile } from './vacuum.ts'

/** What the operator does with a file. */
export function upkeepOfFile(file: string): Upkeep {
  return {
    migrateToLatest: (options) => migrateToLatest(file, options),
    migrateDown: (options) => whileHeld(file, () => migrateDown(file, options)),
    async listMigrations() {
      const db = new Kysely<Tables>({
        dialect: new ConnectionDialect(() => new Connection(openDatabase(file)))
      })
      try {
        await refuseNewerSchema(db)
        return await createMigrator(db).getMigrations()
      } finally {
        await db.destroy()
      }
    },
    check: async () => ({
      faults: checkFile(file),
      remedy: 'Restore it from a backup, or save what can be saved with: sqlite3 FILE .recover',
      notes: []
    }),
    vacuum: async (tell) => vacuumFile(file, tell),
    copies: copiesOfFile(file)
  }
}

/** Throws `DatabaseRefused` when a service has the file: it would go on with tables that it does not know. */
async function whileHeld<T>(file: string, work: () => Promise<T>): Promise<T> {
  if (!existsSync(file)) return work()
  const path = realpathSync(file)
  holding(path, () => {})
  try {
    return await work()
  } finally {
    releaseLock(lockOf(path))
  }
}
