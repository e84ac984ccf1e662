import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type Db, openKysely } from '../../db/database.ts'
import { isUnavailable } from '../../db/dialect.ts'
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

/** Lets promises go as far as they come within one round of the event loop. */
async function promisesOnly(): Promise<void> {
  for (let i = 0; i < 100; i++) await null
}

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

t.test('who comes alone waits for nobody: the commit is in the same round of the event loop', async (t) => {
  const { db, file } = await openWords(t)
  await stat(file)
  let isNextRound = false
  setImmediate(() =>
    setImmediate(() => {
      isNextRound = true
    })
  )
  await transact(db, 'alone')
  t.notOk(isNextRound)
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

t.test('closing commits what waits for that', async (t) => {
  const { db, words } = await openWords(t)
  const waiting = [insert(db, 'single'), transact(db, 'in a transaction')]
  await promisesOnly()
  t.strictSame(words(), [])
  await Promise.all([...waiting, db.destroy()])
  t.strictSame(words(), ['single', 'in a transaction'])
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
