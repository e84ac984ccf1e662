import { existsSync, readFileSync, statSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as nextRound } from 'node:timers/promises'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openKysely } from '../../db/database.ts'
import { Checkpointer } from '../../db/sqlite/checkpointer.ts'
import { Connection } from '../../db/sqlite/connection.ts'
import { openDatabase } from '../../db/sqlite/open.ts'
import { temporaryFolder } from '../helpers.ts'

const MIB = 1024 * 1024
/** With salts that are others each time that it begins. */
const LOG_HEADER_BYTES = 32

t.test('while many write, a thread copies the log, and has it begun anew when it is long', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  await sql`create table entries (content blob)`.execute(db)
  let written = 0
  async function insert(count: number, bytes: number): Promise<void> {
    const content = Buffer.alloc(bytes)
    await Promise.all(
      Array.from({ length: count }, () => sql`insert into entries values (${content})`.execute(db))
    )
    written += count
  }
  // A log of 3 MiB, which SQLite itself would not copy yet.
  await insert(600, 4000)
  while (statSync(file).size < 2 * MIB) await nextRound()

  const log = () => readFileSync(`${file}-wal`).toString('latin1', 0, LOG_HEADER_BYTES)
  const before = log()
  await insert(600, 40_000)
  while (log() === before) await insert(500, 100)
  const { rows } = await sql<{ n: number }>`select count(*) as n from entries`.execute(db)
  t.equal(rows[0]?.n, written)
  await db.destroy()
  t.notOk(existsSync(`${file}-wal`), 'it ends with the database')
})

t.test('while few write, the log is copied between their commits, and begins anew', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  t.teardown(() => db.destroy())
  await sql`create table entries (content text)`.execute(db)
  const bytes = 'x'.repeat(1000)
  for (let i = 0; i < 60; i++) {
    await sql`with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 1000)
      insert into entries select ${bytes} from numbers`.execute(db)
  }
  const size = statSync(`${file}-wal`).size / MIB
  t.ok(size < 15, `60 MiB were written, the log has ${size.toFixed(1)}`)
})

t.test('a long log begins again once writers have stopped for it', async (t) => {
  const { file, writer } = emptyDatabase(t)
  writer.exec('create table entries (content blob)')
  writer.exec('insert into entries values (zeroblob(20000000))')
  const { promise: restarted, resolve } = Promise.withResolvers<boolean>()
  const checkpointer: Checkpointer = new Checkpointer(file, writer, () => resolve(checkpointer.isRestarting))
  t.notOk(checkpointer.isRestarting)
  checkpointer.noteCommit(1000)
  t.equal(await restarted, false, 'they may go on when they hear of it')
  await checkpointer.end()
  const before = readFileSync(`${file}-wal`).toString('latin1', 0, LOG_HEADER_BYTES)
  writer.exec('delete from entries')
  t.not(readFileSync(`${file}-wal`).toString('latin1', 0, LOG_HEADER_BYTES), before)
})

t.test('a thread that cannot work does no harm', async (t) => {
  const checkpointer = new Checkpointer(
    path.join(temporaryFolder(t), 'nothing.db'),
    emptyDatabase(t).writer,
    () => {}
  )
  checkpointer.noteCommit(1)
  await checkpointer.end()
  checkpointer.noteCommit(1000)
  await checkpointer.end()
  checkpointer.noteCommit(1000)
  await checkpointer.end()
})

t.test('a log that cannot be copied does no harm', async (t) => {
  const { file, writer } = emptyDatabase(t)
  writer.exec('create table entries (n integer)')
  writer.exec(`with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 10000)
    insert into entries select n from numbers`)
  truncateSync(`${file}-wal`)
  t.throws(() => writer.pragma('wal_checkpoint(passive)'))
  const checkpointer = new Checkpointer(file, writer, () => {})
  checkpointer.copyIfDue()
})

function emptyDatabase(t: Test): { file: string; writer: Connection } {
  const file = path.join(temporaryFolder(t), 'library.db')
  const writer = new Connection(openDatabase(file))
  t.teardown(() => writer.close())
  return { file, writer }
}
