import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t from 'tap'
import { type Db, openKysely, ping } from '../../db/database.ts'
import { databaseFile, isUnavailable, violatedUnique } from '../../db/dialect.ts'
import { migrateToLatest } from '../../db/migrator.ts'
import { APPLICATION_ID, openDatabase } from '../../db/sqlite/open.ts'
import { insertUser } from '../../db/users.ts'
import { temporaryFolder } from '../helpers.ts'

const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const mode = (file: string) => (statSync(file).mode & 0o777).toString(8)

t.test('a DATABASE_URL is a path or an sqlite: URL', async (t) => {
  t.equal(databaseFile('data/x.db'), path.resolve('data/x.db'))
  t.equal(databaseFile('sqlite:data/x.db'), path.resolve('data/x.db'))
  t.equal(databaseFile('sqlite:///srv/x.db'), '/srv/x.db')
  t.equal(databaseFile('sqlite:/srv/x.db'), '/srv/x.db')
})

t.test('a new database is opened with the settings that keep what was acknowledged', async (t) => {
  const file = path.join(temporaryFolder(t), 'deep/er/library.db')
  const database = openDatabase(file)
  const settings = [
    'journal_mode',
    'synchronous',
    'foreign_keys',
    'trusted_schema',
    'busy_timeout',
    'application_id'
  ]
  const values = settings.map((name) => database.pragma(name, { simple: true }))
  t.strictSame(values, ['wal', 2, 1, 0, 2000, APPLICATION_ID])
  database.exec('create table t (x)')
  t.strictSame([file, `${file}-wal`, `${file}-shm`].map(mode), ['600', '600', '600'])
  t.equal(mode(path.dirname(file)), '700')
  database.close()
  t.notOk(existsSync(`${file}-wal`), 'a clean end leaves no log behind')
})

t.test('a file that others could read is closed to them', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  openDatabase(file).close()
  writeFileSync(`${file}.copy`, readFileSync(file), { mode: 0o644 })
  openDatabase(`${file}.copy`).close()
  t.equal(mode(`${file}.copy`), '600')
})

t.test('what is not ours is refused and left untouched', async (t) => {
  const folder = temporaryFolder(t)
  const foreign = path.join(folder, 'foreign.db')
  new Sqlite(foreign).exec('create table t (x)').close()
  const text = path.join(folder, 'notes.txt')
  writeFileSync(text, 'Dear diary')
  for (const [file, message] of [
    [foreign, /another application/],
    [text, /not an SQLite database/]
  ] as const) {
    const before = digest(file)
    t.throws(() => openDatabase(file), { message })
    t.throws(() => openDatabase(file), { name: 'DatabaseRefused' })
    t.equal(digest(file), before)
    t.notOk(existsSync(`${file}-wal`))
  }
})

t.test('a folder in the place of the file is refused', async (t) => {
  const folder = path.join(temporaryFolder(t), 'library.db')
  mkdirSync(folder)
  t.throws(() => openDatabase(folder), { name: 'DatabaseRefused', message: /EISDIR.*Set DATABASE_URL/ })
  t.throws(() => openDatabase('/proc/nowhere/library.db'), { name: 'DatabaseRefused' }, 'and does not hang')
})

t.test('a setting that does not hold stops the start', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  openDatabase(file).close()
  const pragma = Sqlite.prototype.pragma
  t.teardown(() => {
    Sqlite.prototype.pragma = pragma
  })
  Sqlite.prototype.pragma = function (this: Sqlite.Database, source: string, options) {
    return source === 'synchronous = 2'
      ? pragma.call(this, 'synchronous = 1', options)
      : pragma.call(this, source, options)
  } as typeof pragma
  t.throws(() => openDatabase(file), { message: /keeps synchronous at 1 instead of 2/ })
})

t.test('after an unclean end the database is checked, and a damaged one is refused', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const writer = openDatabase(file)
  writer.exec('create table t (x); create index i on t (x)')
  for (let i = 0; i < 2000; i++) writer.prepare('insert into t values (?)').run(`row ${i}`)
  writer.pragma('wal_checkpoint(truncate)')
  writer.close()

  const damaged = readFileSync(file)
  damaged.fill(0xff, 8192, 12_288)
  writeFileSync(file, damaged)
  openDatabase(file).close()
  t.pass('a clean end is trusted: a large database is not held up')

  writeFileSync(`${file}-wal`, '')
  t.throws(() => openDatabase(file), { message: /is damaged .*Restore it from a backup/ })
})

t.test('a broken uniqueness is told by its columns, whatever else went wrong is not', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const database = openDatabase(file)
  t.teardown(() => database.close())
  database.exec('create table t (x unique, y not null)')
  database.exec("insert into t values ('a', 1)")
  t.equal(violatedUnique(thrownBy(() => database.exec("insert into t values ('a', 1)"))), 't.x')
  t.equal(violatedUnique(thrownBy(() => database.exec('insert into t values (2, null)'))), undefined)
  t.equal(violatedUnique(new Error('UNIQUE constraint failed: t.x')), undefined)
})

t.test('a locked or full database is unavailable, a wrong statement is not', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const one = openDatabase(file)
  const other = openDatabase(file)
  t.teardown(() => one.close())
  t.teardown(() => other.close())
  other.pragma('busy_timeout = 0')
  one.exec('create table t (x); begin immediate')
  t.ok(isUnavailable(thrownBy(() => other.exec('insert into t values (1)'))))
  one.exec('commit')
  one.pragma(`max_page_count = ${one.pragma('page_count', { simple: true })}`)
  t.ok(isUnavailable(thrownBy(() => one.prepare('insert into t values (?)').run('x'.repeat(100_000)))))
  t.notOk(isUnavailable(thrownBy(() => one.exec('insert into nothing values (1)'))))
})

t.test('reads neither wait for a transaction nor see what it has not committed', async (t) => {
  const db = await openKysely(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const count = async (from: Db) =>
    (await sql<{ n: number }>`select count(*) as n from users`.execute(from)).rows[0]?.n
  const insert = (into: Db, name: string) => insertUser(into, { username: name, passwordHash: 'x' })
  await db.transaction().execute(async (trx) => {
    await insert(trx, 'anna')
    t.equal(await count(db), 0, 'another reader')
    t.equal(await count(trx), 1, 'the transaction itself')
  })
  t.equal(await count(db), 1)
  await t.rejects(
    db.transaction().execute(async (trx) => {
      await insert(trx, 'boris')
      throw new Error('no')
    }),
    { message: 'no' }
  )
  t.equal(await count(db), 1, 'what is rolled back is gone')
  await Promise.all(
    ['chen', 'dora', 'emil'].map((name) => db.transaction().execute((trx) => insert(trx, name)))
  )
  t.equal(await count(db), 4, 'transactions take turns')
})

t.test('who waits for another process to write does not hold up anybody else', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const other = openDatabase(file)
  t.teardown(() => other.close())
  other.exec('begin immediate')
  const waiting = ['anna', 'boris', 'chen'].map((username) => insertUser(db, { username, passwordHash: 'x' }))
  const start = performance.now()
  await sql`select * from users`.execute(db)
  t.ok(performance.now() - start < 500, 'a read is served meanwhile')
  other.exec('commit')
  await Promise.all(waiting)

  other.exec('begin immediate')
  const refused = ['dora', 'emil', 'fay'].map((username) => insertUser(db, { username, passwordHash: 'x' }))
  for (const result of await Promise.allSettled(refused))
    t.ok(result.status === 'rejected' && isUnavailable(result.reason))
  t.ok(performance.now() - start < 6000, 'they wait side by side, not one after the other')
  other.exec('rollback')
})

t.test('who shares the file lets others write however much there is to do', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file, { isShared: true })
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const other = openDatabase(file)
  t.teardown(() => other.close())
  other.pragma('busy_timeout = 0')
  const names = Array.from({ length: 3000 }, (_, number) => `user-${number}`)
  let left = names.length
  const writes = names.map(async (username) => {
    await insertUser(db, { username, passwordHash: 'x' })
    left -= 1
  })
  const leftAtTurn = new Promise<number>((resolve) => {
    const attempt = setInterval(() => {
      try {
        other.exec('begin immediate; rollback')
      } catch {
        return
      }
      clearInterval(attempt)
      resolve(left)
    }, 1)
  })
  await Promise.all(writes)
  const leftThen = await leftAtTurn
  t.ok(leftThen > 0, `${leftThen} writes were still waiting`)
})

t.test('nothing is acknowledged into a file that is no longer there', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  await insertUser(db, { username: 'anna', passwordHash: 'x' })
  renameSync(file, `${file}.moved`)
  const write = insertUser(db, { username: 'boris', passwordHash: 'x' })
  await t.rejects(write, { name: 'DatabaseGone', message: /was moved or deleted/ })
  t.ok(isUnavailable(await write.catch((error) => error)))
  await t.rejects(ping(db), { name: 'DatabaseGone' })
  renameSync(`${file}.moved`, file)
  await insertUser(db, { username: 'boris', passwordHash: 'x' })
})

t.test('a second user of the file in this process empties the log of writes when it is done', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const importer = await openKysely(file, { isForImport: true })
  await insertUser(importer, { username: 'anna', passwordHash: 'x' })
  t.ok(statSync(`${file}-wal`).size > 0)
  await importer.destroy()
  t.equal(statSync(`${file}-wal`).size, 0)
  t.equal((await sql`select * from users`.execute(db)).rows.length, 1)
})

// Older SQLites go by this lock alone, and delete the log when they close the file.
t.test(
  'a connection for an import leaves the process the lock on the file in use',
  { skip: !existsSync('/proc/locks') && 'there is no /proc/locks' },
  async (t) => {
    const file = path.join(temporaryFolder(t), 'library.db')
    const db = await openKysely(file)
    const forImport = await openKysely(file, { isForImport: true })
    t.match(
      readFileSync('/proc/locks', 'utf8'),
      new RegExp(`READ +${process.pid} \\S+:${statSync(file).ino} `)
    )
    await forImport.destroy()
    await db.destroy()
  }
)

t.test('a file in use is opened without being checked', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  await migrateToLatest(db)
  await db.destroy()
  const damaged = readFileSync(file)
  damaged.fill(0xff, damaged.length - 4096)
  writeFileSync(file, damaged)
  writeFileSync(`${file}-wal`, '')
  t.throws(() => openDatabase(file), { message: /is damaged/ })
  writeFileSync(`${file}-wal`, '')
  openDatabase(file, { isInUse: true }).close()
})

t.test('more statements than are kept as prepared do no harm', async (t) => {
  const db = await openKysely(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  for (let i = 0; i < 1200; i++) await sql`select ${sql.lit(i)} as n`.execute(db)
  for await (const row of db.selectFrom(sql<{ n: number }>`(select 1 as n)`.as('one')).selectAll().stream())
    t.equal(row.n, 1)
})

t.test('a transaction takes the write lock at its start', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const other = openDatabase(file)
  t.teardown(() => other.close())
  other.pragma('busy_timeout = 0')
  await db.transaction().execute(async (trx) => {
    await sql`select 1`.execute(trx)
    t.throws(() => other.exec('begin immediate'), { code: 'SQLITE_BUSY' })
  })
  other.exec('begin immediate; rollback')
})

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
