/** A full check of a database on a server, while it is in use or not. Nothing of it is changed. */
import { sql } from 'kysely'
import { createMigrator, refuseNewerSchema } from '../../migrator.ts'
import { DatabaseRefused } from '../../refusals.ts'
import type { Db } from '../../tables.ts'
import type { Checked } from '../../upkeep.ts'
import type { Server } from '../connection.ts'
import { asRefusal, isDamage } from '../errors.ts'
import { refuseUnfit } from '../upkeep/fitness.ts'
import { withConnection } from '../upkeep/migrating.ts'
import { checkAuthors } from './authors.ts'
import { checkIndexes } from './indexes.ts'
import { checkLog } from './log.ts'
import { checkReferences } from './references.ts'

const REMEDY = 'Restore it from a backup, or have it looked at by who looks after the server.'

/** Throws `DatabaseRefused`. */
export async function checkDatabase(server: Server): Promise<Checked> {
  try {
    return await withConnection(server, async (db) => {
      await refuseUnfit(db)
      await refusePending(db)
      const contents = await inOneMoment(db, checkContents).catch(asDamage)
      const indexes = await checkIndexes(db)
      return {
        faults: [...contents.faults, ...indexes.faults],
        remedy: REMEDY,
        notes: [...contents.notes, ...indexes.notes]
      }
    })
  } catch (error) {
    throw asRefusal(error, server.url)
  }
}

async function refusePending(db: Db): Promise<void> {
  await refuseNewerSchema(db)
  const migrations = await createMigrator(db).getMigrations()
  const pending = migrations.find(({ executedAt }) => executedAt === undefined)
  if (pending === undefined) return
  throw new DatabaseRefused(
    `The database lacks the migration "${pending.name}": run \`npx library db migrate latest\` first.`
  )
}

/** All that the work reads is of one moment, whatever is written meanwhile. */
async function inOneMoment<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> {
  return db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      // A server may have a bound for the statements of everybody.
      await sql`set local statement_timeout = 0`.execute(trx)
      return work(trx)
    })
}

type Found = Pick<Checked, 'faults' | 'notes'>

/** What the server itself finds damaged, it does not read. */
function asDamage(error: unknown): Found {
  if (!isDamage(error)) throw error
  return { faults: [`not all can be read: ${(error as Error).message}`], notes: [] }
}

async function checkContents(db: Db): Promise<Found> {
  const { count: authors, faults } = await checkAuthors(db)
  const { changes } = await db
    .selectFrom('changes')
    .select((eb) => eb.fn.countAll<number>().as('changes'))
    .executeTakeFirstOrThrow()
  return {
    faults: [...faults, ...(await checkLog(db)), ...(await checkReferences(db))],
    notes: [`${authors} authors, their words and references, and ${changes} changes were compared`]
  }
}
