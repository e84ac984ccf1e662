import { stat } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as roundEnd } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type Db, openKysely } from '../../db/database.ts'
import { temporaryFolder } from '../helpers.ts'

async function openNumbers(t: Test) {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  t.teardown(() => db.destroy())
  const other = new Sqlite(file)
  t.teardown(() => other.close())
  other.exec('create table numbers (n integer)')
  const insert = other.prepare('insert into numbers values (1)')
  /** The end of a look at the file, which the event loop tells in the phase in which it reads from sockets too. */
  const nextRequest = () => stat(file)
  await nextRequest()
  return { db, insert: () => insert.run(), nextRequest }
}

const insertOne = (db: Db) => sql`insert into numbers values (1)`.execute(db)
const count = async (db: Db) =>
  (await sql<{ n: number }>`select count(*) as n from numbers`.execute(db)).rows[0]?.n

t.test('the version stays while nothing changes, and is another after any change', async (t) => {
  const { db, insert, nextRequest } = await openNumbers(t)
  const versions = [db.dataVersion()]
  for (const change of [async () => undefined, insert, () => insertOne(db)]) {
    await change()
    await nextRequest()
    versions.push(db.dataVersion())
  }
  const [first, unchanged, othersChange, ownChange] = versions
  t.equal(unchanged, first)
  t.not(othersChange, first)
  t.not(ownChange, othersChange)
})

t.test(
  'requests of one round see one state, the next request what another process has committed',
  async (t) => {
    const { db, insert, nextRequest } = await openNumbers(t)
    for (let i = 0; i < 50; i++) {
      await nextRequest()
      const version = db.dataVersion()
      insert()
      t.equal(db.dataVersion(), version)
      t.equal(await count(db), i, 'the version and what is read belong together')
      await nextRequest()
      t.not(db.dataVersion(), version)
      t.equal(await count(db), i + 1)
    }
  }
)

t.test('whoever was told of a write of this process finds it, in the same round too', async (t) => {
  const { db, nextRequest } = await openNumbers(t)
  for (let i = 0; i < 50; i++) {
    if (i % 2 === 0) await nextRequest()
    else await roundEnd()
    const written = insertOne(db)
    // Lets the write get as far as to wait for its commit, so that this comes before the end of the snapshot.
    for (let ticks = 0; ticks < 100; ticks++) await null
    const version = db.dataVersion()
    t.equal(await count(db), i)
    await written
    t.equal(await count(db), i + 1)
    t.not(db.dataVersion(), version)
  }
})

t.test('a version that cannot be read leaves no snapshot behind that would grow old', async (t) => {
  const { prepare } = Sqlite.prototype
  t.teardown(() => {
    Sqlite.prototype.prepare = prepare
  })
  let isBroken = false
  Sqlite.prototype.prepare = function (this: Sqlite.Database, source: string) {
    const statement = prepare.call(this, source) as Sqlite.Statement
    if (source !== 'pragma data_version') return statement
    const get = statement.get.bind(statement)
    return Object.defineProperty(statement, 'get', {
      value: () => {
        if (isBroken) throw new Error('the disk is broken')
        return get()
      }
    })
  } as typeof prepare
  const { db, insert, nextRequest } = await openNumbers(t)
  isBroken = true
  t.throws(() => db.dataVersion(), { message: 'the disk is broken' })
  t.equal(await count(db), 0)
  t.throws(() => db.dataVersion(), { message: 'the disk is broken' }, 'not that there is a transaction')
  await nextRequest()
  insert()
  t.equal(await count(db), 1)
  isBroken = false
  const version = db.dataVersion()
  insert()
  await nextRequest()
  t.not(db.dataVersion(), version)
  t.equal(await count(db), 2)
})

t.test('a snapshot that is open when the database is closed does no harm', async (t) => {
  const { db } = await openNumbers(t)
  db.dataVersion()
  await db.destroy()
  await roundEnd()
})
