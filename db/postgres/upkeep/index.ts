import { newsFor } from '../../migration-news.ts'
import { createMigrator, migrateInPlace, refuseNewerSchema, stepDown } from '../../migrator.ts'
import { DatabaseRefused } from '../../refusals.ts'
import type { Db } from '../../tables.ts'
import type { Upkeep } from '../../upkeep.ts'
import { copiesOfServer } from '../backups/copies.ts'
import { checkDatabase } from '../check/index.ts'
import { type Server, serverOf } from '../connection.ts'
import { asRefusal } from '../errors.ts'
import { refuseUsed, refusing } from '../moving/side.ts'
import { BEGINNING } from '../schema.ts'
import { describeServer } from '../server-url.ts'
import { refuseUnfit } from './fitness.ts'
import { withMigrations } from './migrating.ts'
import { vacuumServer } from './vacuum.ts'

/** What the operator does with a database on a server. */
export function upkeepOfServer(url: string): Upkeep {
  const server = serverOf(url)
  return {
    migrateToLatest: (options) =>
      upkeep(server, async (db) => (await migrateInPlace(db, { tellNews: newsFor(options) })).applied),
    async migrateDown(options) {
      await upkeep(server, refuseNewerSchema)
      await refuseServed(url)
      return upkeep(server, async (db) => {
        await refuseBeginning(db)
        return stepDown(db, newsFor(options))
      })
    },
    listMigrations: () =>
      upkeep(server, async (db) => {
        await refuseNewerSchema(db)
        return createMigrator(db).getMigrations()
      }),
    check: () => checkDatabase(server),
    async vacuum(tell) {
      await upkeep(server, refuseNewerSchema)
      return vacuumServer(url, describeServer(url), tell)
    },
    copies: copiesOfServer(url)
  }
}

async function upkeep<T>(server: Server, work: (db: Db) => Promise<T>): Promise<T> {
  try {
    return await withMigrations(server, async (db) => {
      await refuseUnfit(db)
      return work(db)
    })
  } catch (error) {
    throw asRefusal(error, server.url)
  }
}

/** A service would go on with tables that it does not know. */
async function refuseServed(url: string): Promise<void> {
  await refusing(url, async (connection) => {
    await refuseUsed(connection, describeServer(url))
    await connection.close()
  })
}

async function refuseBeginning(db: Db): Promise<void> {
  const migrations = await createMigrator(db).getMigrations()
  const last = migrations.findLast(({ executedAt }) => executedAt !== undefined)
  if (last === undefined || last.name > BEGINNING) return
  throw new DatabaseRefused(
    `With ${BEGINNING} databases on PostgreSQL begin, so there is nothing to undo: drop the database if it is to go.`
  )
}
