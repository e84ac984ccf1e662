import fs, { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { setImmediate as nextRound } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import { CompiledQuery, sql } from 'kysely'
import t, { type Test } from 'tap'
import { type Db, openKysely, ping } from '../../db/database.ts'
import { isUnavailable } from '../../db/dialect.ts'
import { Connection } from '../../db/sqlite/connection.ts'
import { GroupCommit } from '../../db/sqlite/group-commit.ts'
import { openDatabase } from '../../db/sqlite/open.ts'
import { temporaryFolder } from '../helpers.ts'

const SCHEMA = `
  create table words (word text primary key);
  create table parents (id integer primary key);
  create table orphans (parent integer references parents (id) deferrable initially deferred);
  create table ballast (bytes blob)`

/** A database with a table of words, and how another process sees it. */
async function openWords(t: Test) {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openKysely(file)
  t.teardown(() => db.destroy())
  const other = new Sqlite(file, { timeout: 0 })
  t.teardown(() => other.close())
  other.exec(SCHEMA)
  const words = () => other.prepare('select word from words order by rowid').pluck().all()
  return { db, file, other, words }
}

const insert = (db: Db, word: string) => sql`insert into words values (${word})`.execute(db)
const transact = (db: Db, ...words: string[]) =>
  db.transaction().execute(async (trx) => {
    for (const word of words) await insert(trx, word)
  })

/** How many commits the write-ahead log holds (https://sqlite.org/fileformat2.html#walformat). */
function commitsIn(file: string): number {
  const log = readFileSync(`${file}-wal`)
  const frameLength = 24 + log.readUInt32BE(8)
  let commits = 0
  for (let at = 32; at + frameLength <= log.length; at += frameLength) {
    const isOfThisLog = log.compare(log, 16, 24, at + 8, at + 16) === 0
    if (isOfThisLog && log.readUInt32BE(at + 4) > 0) commits += 1
  }
  return commits
}

/** Makes a statement that the pattern fits fail once when it is armed, as a broken disk would. */
function breakStatements(t: Test, pattern: RegExp) {
  const { prepare } = Sqlite.prototype
  t.teardown(() => {
    Sqlite.prototype.prepare = prepare
  })
  const broken = { isArmed: false, error: new Error('the disk is broken') }
  Sqlite.prototype.prepare = function (this: Sqlite.Database, source: string) {
    const statement = prepare.call(this, source) as Sqlite.Statement
    if (!pattern.test(source)) return statement
    const run = statement.run.bind(statement)
    return Object.defineProperty(statement, 'run', {
      value: () => {
        if (!broken.isArmed) return run()
        broken.isArmed = false
        throw broken.error
      }
    })
  } as typeof prepare
  return broken
}

type Sync = (error?: Error) => void

/** Lets no sync of a file end before its function is called; `next` waits for one that is asked for. */
function holdSyncs(t: Test) {
  const held: Sync[] = []
  const { fdatasync } = fs
  const replace = (by: unknown) => {
    fs.fdatasync = by as typeof fdatasync
    syncBuiltinESMExports()
  }
  t.teardown(() => replace(fdatasync))
  replace((handle: number, done: (error: Error | null) => void) => {
    held.push((error) => (error === undefined ? fdatasync(handle, done) : done(error)))
  })
  const next = async () => {
    while (held[0] === undefined) await nextRound()
    return held[0]
  }
  return Object.assign(held, { next })
}

/** Lets promises go as far as they come within one round of the event loop. */
async function promisesOnly(): Promise<void> {
  for (let i = 0; i < 100; i++) await null
}

t.test('writes wait while no batch may begin, and go on afterwards', async (t) => {
  const writer = new Connection(openDatabase(path.join(temporaryFolder(t), 'library.db')))
  t.teardown(() => writer.close())
  const state = { mayBegin: false, begun: 0 }
  const writes = new GroupCommit(writer, {
    beforeBatch: () => state.begun++,
    beforeCommit: () => {},
    afterCommit: () => {},
    sync: async () => undefined,
    beforeTelling: () => {},
    mayBegin: () => state.mayBegin,
    isShared: false
  })
  const written = writes.write(CompiledQuery.raw('create table entries (number integer)'))
  await nextRound()
  t.equal(state.begun, 0)
  state.mayBegin = true
  writes.goOn()
  await written
  t.equal(state.begun, 1)
})

t.test('what comes together shares a commit, each in its order', async (t) => {
  const { db, file, words } = await openWords(t)
  const before = commitsIn(file)
  const names = Array.from({ length: 40 }, (_, i) => `word ${i}`)
  await Promise.all(names.map((name, i) => (i % 2 === 0 ? insert(db, name) : transact(db, name, `${name}b`))))
  t.strictSame(
    words(),
    names.flatMap((name, i) => (i % 2 === 0 ? [name] : [name, `${name}b`]))
  )
  const commits = commitsIn(file) - before
  t.ok(commits >= 1 && commits <= 10, `${commits} commits`)
})

t.test('a batch is bounded', async (t) => {
  const { db, file, words } = await openWords(t)
  const before = commitsIn(file)
  await Promise.all(Array.from({ length: 600 }, (_, i) => insert(db, `word ${i}`)))
  t.equal(words().length, 600)
  const commits = commitsIn(file) - before
  t.ok(commits >= 3 && commits <= 150, `${commits} commits`)
})

t.test(
  'who comes alone waits for nobody: the commit is in this round of the event loop or the next',
  async (t) => {
    const { db, file } = await openWords(t)
    const syncs = holdSyncs(t)
    await stat(file)
    const written = transact(db, 'alone')
    // The first two end before the commit in their round.
    for (let round = 0; round < 3; round++) await nextRound()
    t.equal(syncs.length, 1)
    syncs[0]?.()
    await written
  }
)

t.test('a write is told once the log is on the disk, and nobody sees it sooner', async (t) => {
  const { db, file } = await openWords(t)
  const syncs = holdSyncs(t)
  const told: string[] = []
  const tell = (word: string) => insert(db, word).then(() => told.push(word))
  const seen = async () => (await sql<{ word: string }>`select word from words`.execute(db)).rows.length
  const first = tell('first')
  await syncs.next()
  const second = tell('second')
  for (let round = 0; round < 5; round++) await stat(file)
  t.equal(syncs.length, 1, 'the next commit waits for the sync of this one')
  t.strictSame([told, await seen()], [[], 0])
  syncs.shift()?.()
  await first
  t.strictSame([told, await seen()], [['first'], 1])
  await syncs.next()
  t.strictSame([told, await seen()], [['first'], 1])
  syncs.shift()?.()
  await second
  t.equal(await seen(), 2)
})

t.test('when the log cannot be put on the disk, nothing is told to be there, now and later', async (t) => {
  const { db } = await openWords(t)
  const syncs = holdSyncs(t)
  const lost = [insert(db, 'first'), transact(db, 'first too')]
  await syncs.next()
  const next = insert(db, 'amid the sync')
  await promisesOnly()
  syncs.shift()?.(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }))
  for (const write of [...lost, next, transact(db, 'later')]) {
    const error = await write.catch((error) => error)
    t.match(error, { name: 'DatabaseBroken', message: /EIO.*start anew/ })
    t.ok(isUnavailable(error))
  }
  await t.rejects(ping(db), { name: 'DatabaseBroken' }, 'and it is not ready')
  t.equal(syncs.length, 0)
})

t.test('many are told a few at a time, and share the next commit if they write again', async (t) => {
  const { db, file } = await openWords(t)
  const before = commitsIn(file)
  let told = 0
  const writeTwice = async (_: unknown, i: number) => {
    await insert(db, `word ${i}`)
    told += 1
    await insert(db, `word ${i} again`)
  }
  const writes = Promise.all(Array.from({ length: 64 }, writeTwice))
  let most = 0
  while (told < 64) {
    const toldBefore = told
    await nextRound()
    most = Math.max(most, told - toldBefore)
  }
  await writes
  t.ok(most <= 8, `${most} in a round`)
  const commits = commitsIn(file) - before
  t.ok(commits <= 4, `${commits} commits`)
})

t.test('where other processes share the file, SQLite itself syncs each commit', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const syncs = holdSyncs(t)
  const levels: unknown[] = []
  const endSync = async () => {
    await syncs.next()
    syncs.shift()?.()
  }
  for (const isShared of [true, false]) {
    const opened = openKysely(file, { isShared })
    if (!isShared) await endSync()
    const db = await opened
    t.teardown(() => db.destroy())
    const level = db
      .transaction()
      .execute((trx) => sql<{ synchronous: number }>`pragma synchronous`.execute(trx))
    if (!isShared) await endSync()
    levels.push((await level).rows[0]?.synchronous)
  }
  t.strictSame(levels, [2, 1])
})

t.test('a refusal is told once that for which it was refused is on the disk', async (t) => {
  const { db, words } = await openWords(t)
  const seen: unknown[][] = []
  const first = transact(db, 'taken')
  const refused = [insert(db, 'taken'), transact(db, 'free', 'taken'), db.transaction().execute(leave)]
  async function leave() {
    throw new Error('the word was there')
  }
  for (const one of refused) one.catch(() => seen.push(words()))
  await first
  await Promise.allSettled(refused)
  t.strictSame(seen, [['taken'], ['taken'], ['taken']])
})

t.test('a COMMIT that fails undoes all that shared it', async (t) => {
  const { db, words } = await openWords(t)
  const results = await Promise.allSettled([
    insert(db, 'before'),
    sql`insert into orphans values (1)`.execute(db),
    transact(db, 'after')
  ])
  for (const result of results) {
    t.match(result, { status: 'rejected', reason: { code: 'SQLITE_CONSTRAINT_FOREIGNKEY' } })
  }
  t.strictSame(words(), [])
  await transact(db, 'later')
  t.strictSame(words(), ['later'])
})

t.test(
  'a full disk undoes those before in the batch, and nothing of the same transaction after it',
  async (t) => {
    const { db, other, words } = await openWords(t)
    const pages = other.pragma('page_count', { simple: true }) as number
    await db.transaction().execute((trx) => sql`pragma max_page_count = ${sql.lit(pages + 50)}`.execute(trx))
    const flood = (into: Db) => sql`insert into ballast values (zeroblob(1000000))`.execute(into)
    const goOn = async (trx: Db) => {
      await insert(trx, 'in the middle')
      await t.rejects(flood(trx), { code: 'SQLITE_FULL' })
      await t.rejects(insert(trx, 'on its own'), { name: 'TransactionLost' })
    }
    const lost = [transact(db, 'before'), db.transaction().execute(goOn)]
    const after = transact(db, 'after')
    for (const result of await Promise.allSettled(lost)) {
      t.ok(result.status === 'rejected' && isUnavailable(result.reason))
    }
    await after
    t.strictSame(words(), ['after'])
    const [before, filling] = await Promise.allSettled([insert(db, 'before'), flood(db)])
    t.match([before, filling], Array(2).fill({ status: 'rejected', reason: { code: 'SQLITE_FULL' } }))
    await insert(db, 'later')
    t.strictSame(words(), ['after', 'later'])
  }
)

t.test(
  'a transaction that ends the batch by itself is told that it is lost, and so are the others',
  async (t) => {
    const { db, words } = await openWords(t)
    for (const command of ['rollback', 'commit']) {
      const results = await Promise.allSettled([
        insert(db, `before ${command}`),
        sql.raw(command).execute(db),
        db.transaction().execute((trx) => sql.raw(command).execute(trx))
      ])
      t.match(results, Array(3).fill({ status: 'rejected', reason: { name: 'TransactionLost' } }), command)
    }
    await insert(db, 'later')
    t.ok(words().includes('later'))
  }
)

t.test('a savepoint of any name stays within its transaction', async (t) => {
  const { db, words } = await openWords(t)
  const trx = await db.startTransaction().execute()
  await insert(trx, 'outer')
  const inner = await trx.savepoint('member').execute()
  await insert(inner, 'inner')
  await trx.rollback().execute()
  const other = await db.startTransaction().execute()
  await t.rejects(other.releaseSavepoint('member' as never).execute(), { message: /no such savepoint/ })
  await insert(other, 'kept')
  await other.commit().execute()
  t.strictSame(words(), ['kept'])
})

for (const [command, pattern] of [
  ['begins', /^savepoint/],
  ['ends', /^release/]
] as const) {
  t.test(`when a transaction ${command} and that fails, it fails alone`, async (t) => {
    const broken = breakStatements(t, pattern)
    const { db, words } = await openWords(t)
    const before = insert(db, 'before')
    await promisesOnly()
    broken.isArmed = true
    await t.rejects(transact(db, 'broken'), broken.error)
    await before
    await transact(db, 'later')
    t.strictSame(words(), ['before', 'later'])
  })
}

t.test('a transaction that cannot be undone alone is undone with its batch', async (t) => {
  const broken = breakStatements(t, /^rollback to/)
  const { db, words } = await openWords(t)
  const before = t.rejects(insert(db, 'before'), broken.error)
  broken.isArmed = true
  await t.rejects(transact(db, 'twice', 'twice'), broken.error)
  await before
  await transact(db, 'later')
  t.strictSame(words(), ['later'])
})

t.test('a transaction that is alone undoes itself alone, and others go on after it', async (t) => {
  const { db, file, words } = await openWords(t)
  const before = commitsIn(file)
  const taken = { code: 'SQLITE_CONSTRAINT_PRIMARYKEY' }
  const refused = [
    t.rejects(transact(db, 'twice', 'twice'), taken),
    t.rejects(transact(db, 'too', 'too'), taken)
  ]
  await Promise.all([...refused, transact(db, 'after'), insert(db, 'at last')])
  await t.rejects(transact(db, 'new', 'after'), taken)
  t.strictSame(words(), ['after', 'at last'])
  t.equal(commitsIn(file) - before, 1)
})

t.test('a refusal of one that is alone waits for the disk too, and fails with it', async (t) => {
  const { db } = await openWords(t)
  const syncs = holdSyncs(t)
  const told: unknown[] = []
  const refuse = () => transact(db, 'free', 'taken').catch((error) => told.push(error.code ?? error.name))
  const first = insert(db, 'taken')
  await syncs.next()
  const refused = refuse()
  for (let round = 0; round < 5; round++) await nextRound()
  t.strictSame(told, [], 'the word that was in its way may be lost yet')
  syncs.shift()?.()
  await Promise.all([first, refused])
  const second = t.rejects(insert(db, 'second'), { name: 'DatabaseBroken' })
  await syncs.next()
  const lost = refuse()
  await promisesOnly()
  syncs.shift()?.(new Error('EIO: i/o error, fdatasync'))
  await Promise.all([second, lost])
  t.strictSame(told, ['SQLITE_CONSTRAINT_PRIMARYKEY', 'DatabaseBroken'])
})

t.test('a savepoint that was left open is none of the next transaction', async (t) => {
  const { db, words } = await openWords(t)
  const trx = await db.startTransaction().execute()
  await insert(trx, 'outer')
  const inner = await trx.savepoint('left open').execute()
  await insert(inner, 'inner')
  const committed = inner.commit().execute()
  const other = await db.startTransaction().execute()
  await t.rejects(other.rollbackToSavepoint('left open' as never).execute(), { message: /no such savepoint/ })
  await insert(other, 'other')
  await Promise.all([committed, other.commit().execute()])
  t.strictSame(words(), ['outer', 'inner', 'other'])
})

t.test('closing commits what waits for that', async (t) => {
  const { db, words } = await openWords(t)
  const syncs = holdSyncs(t)
  const first = insert(db, 'first')
  await syncs.next()
  const waiting = [insert(db, 'single'), transact(db, 'in a transaction')]
  // Each round gives a turn to one of them at least; their commit waits for the sync of the first.
  for (let round = 0; round < 10; round++) await nextRound()
  t.strictSame(words(), ['first'])
  const closed = db.destroy()
  syncs.shift()?.()
  await syncs.next()
  syncs.shift()?.()
  await Promise.all([first, ...waiting, closed])
  t.strictSame(words(), ['first', 'single', 'in a transaction'])
})

t.test('closing undoes a transaction that is alone', async (t) => {
  const { db, words } = await openWords(t)
  const trx = await db.startTransaction().execute()
  await insert(trx, 'open')
  await db.destroy()
  await t.rejects(trx.rollback().execute(), { name: 'TransactionLost', message: /closed/ })
  t.strictSame(words(), [])
})

t.test('closing undoes the transaction amid its work, and refuses who waits', async (t) => {
  const { db, words } = await openWords(t)
  const done = transact(db, 'done')
  const trx = await db.startTransaction().execute()
  await insert(trx, 'open')
  const waiting = transact(db, 'waiting')
  await promisesOnly()
  const closed = { name: 'TransactionLost', message: /closed/ }
  await Promise.all([t.rejects(waiting, closed), t.rejects(transact(db, 'late')), db.destroy()])
  await done
  t.strictSame(words(), ['done'])
  await t.rejects(insert(trx, 'late'), { name: 'TransactionLost' })
  await t.rejects(trx.commit().execute())
  await t.rejects(trx.rollback().execute(), closed)
  t.strictSame(words(), ['done'])
})
