// On SQLite alone: how its file is opened, checked and refused.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t from 'tap'
import { openDatabase as openFile } from '../../db/database.ts'
import { databaseFile, isUnavailable, openForMigrations } from '../../db/dialect.ts'
import { migrateToLatest } from '../../db/migrator.ts'
import { asRefusal as asServerRefusal } from '../../db/postgres/errors.ts'
import { asRefusal } from '../../db/sqlite/errors.ts'
import { APPLICATION_ID, openDatabase } from '../../db/sqlite/open.ts'
import { firstPageOf, temporaryFolder } from '../helpers.ts'

const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
const mode = (file: string) => (statSync(file).mode & 0o777).toString(8)

t.test('a DATABASE_URL is a path or an sqlite: URL', async (t) => {
  t.equal(databaseFile('data/x.db'), path.resolve('data/x.db'))
  t.equal(databaseFile('sqlite:data/x.db'), path.resolve('data/x.db'))
  t.equal(databaseFile('sqlite:///srv/x.db'), '/srv/x.db')
  t.equal(databaseFile('sqlite:/srv/x.db'), '/srv/x.db')
  const circle = path.join(temporaryFolder(t), 'circle.db')
  symlinkSync(circle, circle)
  t.equal(databaseFile(circle), circle)
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
  t.throws(() => openDatabase(folder), { name: 'DatabaseRefused', message: /is a folder\. Set DATABASE_URL/ })
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

t.test('a file in use is opened without being checked', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = openForMigrations(file)
  await migrateToLatest(db)
  await db.destroy()
  const damaged = readFileSync(file)
  damaged.fill(0xff, ...firstPageOf(file, 'authors'))
  writeFileSync(file, damaged)
  writeFileSync(`${file}-wal`, '')
  t.throws(() => openDatabase(file), { message: /is damaged/ })
  writeFileSync(`${file}-wal`, '')
  openDatabase(file, { isInUse: true }).close()
})

t.test('what a server refuses is not called a server that cannot be reached', async (t) => {
  const told = (code: string) => {
    const error = Object.assign(new Error('it said so'), { severity: 'ERROR', code })
    return String(asServerRefusal(error, 'postgres://me@there:5432/library'))
  }
  t.match(told('53100'), /PostgreSQL at there:5432 could not do it \(it said so\)\. Try again once it can\.$/)
  t.match(
    told('55P03'),
    /library at there:5432 cannot be used by me \(it said so\)\. Something else has it locked/
  )
  t.match(told('57P01'), /PostgreSQL at there:5432 cannot be reached \(it said so\)/)
})

t.test('what keeps the file from being used is told in a sentence', (t) => {
  const told = (code: string) => String(asRefusal(new Sqlite.SqliteError('it said so', code), '/data/x.db'))
  t.equal(
    told('SQLITE_BUSY'),
    'DatabaseRefused: /data/x.db cannot be used (SQLITE_BUSY: it said so). Another process writes to it: try again.'
  )
  t.match(told('SQLITE_CANTOPEN'), /cannot be used .*Let the user of this process write/)
  t.match(told('SQLITE_CORRUPT'), /is damaged .*Restore it/)
  t.match(told('SQLITE_ERROR'), /^SqliteError: it said so/)
  t.end()
})

t.test('rows can be read as a stream', async (t) => {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const names: string[] = []
  for await (const { key } of db.selectFrom('rate_limits').select('key').stream()) names.push(key)
  t.strictSame(names, [])
})

t.test('a file that is cut off or overwritten is refused in a sentence', async (t) => {
  const whole = path.join(temporaryFolder(t), 'library.db')
  const db = openForMigrations(whole)
  await migrateToLatest(db)
  await db.destroy()
  const bytes = readFileSync(whole)
  const overwritten = Buffer.from(bytes).fill(0xff, 100, 4096)
  for (const damaged of [
    overwritten,
    ...[50, 99, 100, 4096, 8192].map((length) => bytes.subarray(0, length))
  ]) {
    const file = `${whole}.${damaged.length}`
    writeFileSync(file, damaged)
    const error = await openFile(file).catch((error) => error)
    t.match(error, { name: 'DatabaseRefused', message: /\.(\s|$)/ }, error.message)
    t.ok(readFileSync(file).subarray(100).equals(damaged.subarray(100)))
  }
})

t.test('more statements than are kept as prepared do no harm', async (t) => {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  for (let i = 0; i < 1200; i++) await sql`select ${sql.lit(i)} as n`.execute(db)
})

t.test('whoever says that no more files can be opened, the service cannot do it now', async (t) => {
  const said = [
    'EMFILE: too many open files, open ‘/tmp/x’',
    'Worker initialization failure: EMFILE',
    '/opt/lib/better_sqlite3.node: cannot open shared object file: Too many open files'
  ]
  for (const message of said) t.ok(isUnavailable(new Error(message)), message)
  t.notOk(isUnavailable(new Error('There are too many files.')))
})

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
