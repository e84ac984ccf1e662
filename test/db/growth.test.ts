// On SQLite alone: its statement journals.
/** A statement costs the same however much its transaction has changed before; if not, work on many rows grows with their square. */
import path from 'node:path'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openForMigrations } from '../../db/dialect.ts'
import { sqlOf } from '../../db/engine.ts'
import { migrateToLatest } from '../../db/migrator.ts'
import type { Db } from '../../db/tables.ts'
import { temporaryFolder } from '../helpers.ts'

const BALLAST_ROWS = 100
const BALLAST_BYTES = 400_000
const numbers = (count: number) =>
  sql`with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < ${count})`

/** A database with all tables, and one more of ten thousand pages, for which there is room in the cache. */
async function openBallasted(t: Test): Promise<Db> {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  await sql`create table ballast (bytes blob)`.execute(db)
  await sql`${numbers(BALLAST_ROWS)} insert into ballast select zeroblob(${BALLAST_BYTES}) from numbers`.execute(
    db
  )
  await db.transaction().execute((trx) => sql`pragma cache_size = -256000`.execute(trx))
  return db
}

const changeAllPages = (trx: Db) => sql`update ballast set bytes = randomblob(${BALLAST_BYTES})`.execute(trx)

type Work = () => Promise<unknown>

/** The time of a processor that it takes at best, which neither those with whom we share the machine nor a collection of garbage change much. */
async function costOf(work: Work): Promise<number> {
  const costs: number[] = []
  for (let i = 0; i < 5; i++) {
    const from = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(from)
    costs.push((user + system) / 1000)
  }
  return Math.min(...costs)
}

/** Two rows at a time, as all that is written at once is: a statement that may fail at the second of them must be able to take the first back. */
const INSERTIONS: Record<string, (trx: Db, number: number) => Promise<unknown>> = {
  'words of authors': (trx, number) =>
    sqlOf(trx).addTerms(
      trx,
      [number, number + 1].map((one) => ({ number: one, terms: `word ${one}` }))
    ),
  'changes of authors': (trx, number) =>
    trx
      .insertInto('changes')
      .values([number, number + 1].map((one) => ({ ...CREATED, sequence: one, author_number: one })))
      .execute()
}
const CREATED = { version: 1, actor_number: 1, at: '', operation: 'created', before: null } as const

for (const [name, insertTwo] of Object.entries(INSERTIONS)) {
  t.test(`in a transaction that is alone, as an import is: ${name}`, async (t) => {
    const db = await openBallasted(t)
    let number = 1
    const insertMany = async (trx: Db) => {
      for (let i = 0; i < 500; i++, number += 2) await insertTwo(trx, number)
    }
    await db.transaction().execute(async (trx) => {
      await insertMany(trx)
      const before = await costOf(() => insertMany(trx))
      await changeAllPages(trx)
      const after = await costOf(() => insertMany(trx))
      t.ok(after < 3 * before, `${before} ms, then ${after} ms`)
    })
  })
}
