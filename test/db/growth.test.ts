/** A statement costs the same however much its transaction has changed before; if not, work on many rows grows with their square. */
import path from 'node:path'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import type { Db } from '../../db/database.ts'
import { openForMigrations } from '../../db/dialect.ts'
import { migrateToLatest } from '../../db/migrator.ts'
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

/** The time of a processor that it takes, which those with whom we share the machine do not change much. */
async function costOf(work: Work): Promise<number> {
  const from = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000
}

t.test('in a transaction that is alone, as an import is', async (t) => {
  const db = await openBallasted(t)
  let number = 0
  const insertTwo = (trx: Db) =>
    trx
      .insertInto('author_words')
      .values([1, 2].map((word) => ({ word: `word ${number++}`, author_id: String(word) })))
      .execute()
  const insertMany = async (trx: Db) => {
    for (let i = 0; i < 500; i++) await insertTwo(trx)
  }
  await db.transaction().execute(async (trx) => {
    await insertMany(trx)
    const before = await costOf(() => insertMany(trx))
    await changeAllPages(trx)
    const after = await costOf(() => insertMany(trx))
    t.ok(after < 3 * before, `${before} ms, then ${after} ms`)
  })
})
