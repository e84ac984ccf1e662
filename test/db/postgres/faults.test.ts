import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import type { Command } from '../../../db/command.ts'
import { openSession } from '../../../db/commands/sessions.ts'
import { registerUser } from '../../../db/commands/users.ts'
import { type DatabaseEvent, openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { Connection, serverOf } from '../../../db/postgres/connection.ts'
import { ANNOUNCE_LONG_WORK, TAKE_WRITE_LOCK } from '../../../db/postgres/locks.ts'
import { CommitUnknown } from '../../../db/postgres/writing/batch.ts'
import { fateOf } from '../../../db/postgres/writing/fate.ts'
import { Problem } from '../../../db/problems.ts'
import type { Db } from '../../../db/tables.ts'
import { newDatabase } from '../../engines.ts'
import { callOf } from '../model/calls.ts'
import * as behaving from './commands/behaving.ts'
import { Tunnel } from './tunnel.ts'
import { COMMANDS } from './world.ts'

const context = { engine: 'postgres' }
const { addWord, runs } = behaving

/** A database by way of a proxy, and directly. */
async function openWords(t: Test, parameters = '') {
  const url = await newDatabase(t)
  const { hostname: host, port } = new URL(url)
  const proxy = await Tunnel.open(t, () => ({ host, port: Number(port) }))
  const events: DatabaseEvent[] = []
  const signal = (event: DatabaseEvent) => events.push(event)
  const open = (databaseUrl: string) => openDatabase(databaseUrl, { commandFolders: [COMMANDS], signal })
  const direct = await open(url)
  t.teardown(() => direct.close())
  await sql`create table words (word text primary key)`.execute(await ownConnection(t, url))
  const db = await open(proxy.urlOf(url) + parameters)
  t.teardown(() => db.close())
  const run = <Input extends object>(command: Command<Input, unknown>, input: Input) =>
    db.run(callOf(command, input))
  const words = async (of = direct) =>
    (await sql<{ word: string }>`select word from words order by word`.execute(of.reads as Db)).rows.map(
      ({ word }) => word
    )
  return { url, proxy, db, direct, events, run, add: (word: string) => run(addWord, { word }), words }
}

async function ownConnection(t: Test, url: string) {
  const { Kysely } = await import('kysely')
  const { RunnerDialect } = await import('../../../db/postgres/dialect.ts')
  const connection = await Connection.open(serverOf(url), { name: 'test' })
  t.teardown(() => connection.close())
  return new Kysely<never>({ dialect: new RunnerDialect(() => connection) })
}

const outcome = (promise: Promise<unknown>) => promise.catch((error) => error)

t.test('the answer to a COMMIT is lost: it is found out that it was done', { context }, async (t) => {
  const { proxy, db, add, words, events } = await openWords(t)
  await add('before')
  await words(db)
  loseAnswer(proxy, 1)
  t.equal(await add('once'), 'once')
  t.strictSame([await words(), runs.get('once')], [['before', 'once'], 1], 'and it was done once')

  loseAnswer(proxy, 1, { all: true })
  const error = (await outcome(add('maybe'))) as Error
  t.ok(isUnavailable(error), 'nobody who was there before can tell')
  t.match(error.message, /not known whether/)
  t.ok(events.some(({ event }) => event === 'commit_unknown'))
  t.strictSame([await words(), runs.get('maybe')], [['before', 'maybe', 'once'], 1])
  t.equal(await add('later'), 'later')
})

/** What the server says to so many COMMITs does not come, but a reset; with `all` of all connections. */
function loseAnswer(proxy: Tunnel, times: number, { all = false } = {}): void {
  let left = times
  let waiting: unknown
  proxy.whenSent = (data, client) => {
    if (waiting === undefined && left > 0 && data.includes('; commit')) waiting = client
    return true
  }
  proxy.whenAnswered = (_data, client) => {
    if (client !== waiting) return true
    waiting = undefined
    left -= 1
    if (all) proxy.reset()
    else client.resetAndDestroy()
    return false
  }
}

t.test(
  'a COMMIT that does not reach the server is done once more, and so is a lost batch',
  { context },
  async (t) => {
    const { proxy, add, words } = await openWords(t)
    await add('before')
    for (const text of ['; commit', 'insert into words', TAKE]) {
      let left = 2
      proxy.whenSent = (data, client) => {
        if (left === 0 || !data.includes(text)) return true
        left -= 1
        client.resetAndDestroy()
        return false
      }
      t.equal(await add(text), text)
    }
    t.strictSame(await words(), [TAKE, '; commit', 'before', 'insert into words'].sort())
    t.equal(runs.get('; commit'), 3)
  }
)

const TAKE = 'pg_advisory_xact_lock'

t.test('what became of a transaction is known, or is known to be unknown', { context }, async (t) => {
  const { url } = await openWords(t)
  const connection = await Connection.open(serverOf(url), { name: 'test' })
  t.teardown(() => connection.close())
  const begin = async (by = connection) => {
    const { rows } = await by.runAll(['begin', 'select pg_current_xact_id()::text as id'])
    return (rows[0] as { id: string }).id
  }
  const done = await begin()
  await connection.runAll(['commit'])
  const undone = await begin()
  await connection.runAll(['rollback'])
  const future = String(Number(done) + 1_000_000)
  const fate = (id: string, isWitness: boolean) =>
    fateOf(unknownCommit(id), async () => ({ connection, isWitness }))
  t.equal(await fate(done, true), 'committed')
  t.equal(
    await fate(done, false),
    'unknown',
    'a server that has lost it may have given its number to another'
  )
  for (const isWitness of [true, false]) {
    t.equal(await fate(undone, isWitness), 'undone')
    t.equal(await fate(future, isWitness), 'undone', 'the server never came to it')
  }
  const other = await Connection.open(serverOf(url), { name: 'test' })
  t.teardown(() => other.close())
  const underWay = await begin(other)
  const end = fate(underWay, true)
  t.equal(await Promise.race([end, sleep(300)]), undefined, 'it may still be committed')
  await other.runAll(['commit'])
  t.equal(await end, 'committed')
})

function unknownCommit(id: string): CommitUnknown {
  return new CommitUnknown(id, 0, { outcomes: [], lockMs: 0, commitMs: 0 }, undefined)
}

t.test('a command that misbehaves harms nobody', { context }, async (t) => {
  const { run, add, words, db } = await openWords(t)
  const { catchAndGoOn, failAfterHiddenWrite, failBeside, rollBack } = behaving
  const all = await Promise.allSettled([
    add('a'),
    run(failBeside, { word: 'x' }),
    add('b'),
    run(failAfterHiddenWrite, { word: 'x' }),
    run(catchAndGoOn, { word: 'caught' }),
    run(rollBack, { word: 'x' }),
    add('a'),
    add('c')
  ])
  const [a, beside, b, hidden, caught, rolledBack, again, c] = all.map((end) =>
    end.status === 'fulfilled' ? end.value : end.reason
  )
  t.strictSame([a, b, caught, c], ['a', 'b', 'caught', 'c'])
  for (const refusal of [beside, hidden]) t.ok(refusal instanceof Problem)
  t.match(rolledBack, { name: 'TypeError' })
  t.equal(again.code, '23505')
  await add('d')
  t.strictSame(await words(), ['a', 'b', 'c', 'caught', 'caught too', 'd'])

  await run(behaving.keepTransaction, {})
  const late = sql`insert into words values ('late')`.execute(behaving.kept[0] as Db)
  t.match(await outcome(late), { message: /has ended/ })
  t.match(await outcome(db.run({ ...callOf(addWord, { word: '' }), command: 'none' })), { name: 'TypeError' })
  t.notOk((await words()).includes('late'))
})

t.test('what nobody waited for fails alone', { context }, async (t) => {
  const { run, words } = await openWords(t)
  const { addAhead, catchWhatIsAhead } = behaving
  const ahead = (...added: string[]) => run(addAhead, { words: added })
  const many = Array.from({ length: 300 }, (_, index) => `many ${index}`)
  t.equal(await ahead(...many), 300)
  t.equal(runs.get('many 0'), 1, 'what succeeds is sent once')

  // The last one of a transaction, and one before others.
  t.match(await outcome(ahead('many 7')), { code: '23505' })
  const all = await Promise.allSettled([
    ahead('ahead a', 'ahead b'),
    ahead('ahead c', 'many 299', 'ahead d'),
    ahead('ahead e'),
    ahead('ahead a'),
    run(catchWhatIsAhead, { word: 'ahead e' }),
    ahead('ahead f')
  ])
  const ends = all.map((end) => (end.status === 'fulfilled' ? end.value : end.reason.code))
  t.strictSame(ends, [2, '23505', 1, '23505', true, 1])
  const added = (await words()).filter((word) => word.startsWith('ahead'))
  t.strictSame(added, ['ahead a', 'ahead b', 'ahead e', 'ahead e again', 'ahead f'])

  const next = await Promise.allSettled([ahead('ahead g'), ahead('ahead a')])
  t.strictSame(
    next.map(({ status }) => status),
    ['fulfilled', 'rejected'],
    'also when nothing came after it'
  )
  t.equal(runs.get('ahead g'), 2, 'both were undone and run again')
})

t.test('also when its failure keeps other statements from being prepared', { context }, async (t) => {
  const { run, add, events } = await openWords(t)
  await add('there')
  const others = ['x', 'y', 'z']
  const ends = await Promise.all([
    add('neighbour'),
    outcome(run(behaving.addAheadInTwoWays, { first: 'there', others }))
  ])
  t.match(ends, ['neighbour', { code: '23505' }])
  t.notOk(events.some(({ event }) => event === 'batch_retried'))
  await run(behaving.addAheadInTwoWays, { first: 'here', others })
})

t.test('a command that takes too long is given up alone', { context }, async (t) => {
  const { run, add, words } = await openWords(t)
  for (const command of [behaving.sleepTooLong, behaving.neverEnd, behaving.askForEver]) {
    const begun = performance.now()
    const runaway = outcome(run(command, { word: 'x' }))
    const neighbours = ['a', 'b'].map((word) => add(`${word} ${command.name}`))
    t.ok(isUnavailable(await runaway), command.name)
    t.ok(performance.now() - begun < 10_000, 'soon')
    await Promise.all(neighbours)
  }
  t.equal((await words()).length, 6)
})

t.test('calls that cannot be run together after all are run one by one', { context }, async (t) => {
  const { db, words } = await openWords(t)
  const user = { username: 'one', passwordHash: 'one' }
  const { id } = (await db.run(callOf(registerUser, user))) as { id: string }
  const session = { userId: id, passwordHash: 'one', userAgent: null, familyHash: '', refreshHash: '' }
  const far = '9999-01-01T00:00:00.000Z'
  const opened = await db.run(callOf(openSession, { ...session, idleExpiresAt: far, expiresAt: far }))
  const credential = { id, role: 'reader', ...(opened as { sessionId: string }) } as const
  const form = { status: 201, preferred: undefined, once: undefined } as const
  for (const fault of ['sleeps', 'fails'] as const) {
    const add = async (word: string) =>
      db.run({ ...callOf(behaving.addBadlyTogether, { word, fault }), credential, form })
    const answers = await Promise.all([add(`one ${fault}`), add(`other ${fault}`)])
    t.match(answers, [{ body: `one ${fault}` }, { body: `other ${fault}` }])
  }
  t.strictSame(await words(), ['one fails', 'one sleeps', 'other fails', 'other sleeps'])
})

t.test('who holds the lock for too long keeps nobody for ever', { context }, async (t) => {
  const [one, other] = [await openWords(t), await openWords(t)]
  const hold = async ({ url }: typeof one, ...locks: string[]) => {
    const holder = await Connection.open(serverOf(url), { name: 'test' })
    t.teardown(() => holder.close())
    await holder.runAll(['begin', ...locks.map((lock) => `select ${lock}`)])
    return () => holder.runAll(['rollback'])
  }
  const release = await hold(one, TAKE_WRITE_LOCK)
  const endImport = await hold(other, TAKE_WRITE_LOCK, ANNOUNCE_LONG_WORK)
  const begun = performance.now()
  const nobodyKnows = fateOf(unknownCommit('1'), () => Promise.reject(new Error('cut')))
  const kept = other.add('kept')
  const refused = outcome(one.add('refused'))
  await sleep(9000)
  const late = outcome(one.add('late'))
  t.ok(isUnavailable(await refused))
  t.ok(performance.now() - begun < 15_000)
  t.equal(await nobodyKnows, 'unknown')
  await release()
  t.equal(await late, 'late', 'who came later is not refused with who came first')
  t.equal(await one.add('later'), 'later')
  t.strictSame(await one.words(), ['late', 'later'])
  await sleep(begun + 11_000 - performance.now())
  await endImport()
  t.equal(await kept, 'kept', 'for an import it is waited longer')
})

t.test('a network that is cut is an answer, and afterwards all goes on', { context }, async (t) => {
  const { proxy, db, run, add, words } = await openWords(t, '?connect_timeout=1')
  await add('before')
  await words(db)
  const slow = run(behaving.addSlowly, { word: 'slow', seconds: 5 })
  await sleep(200)
  proxy.cut()
  const begun = performance.now()
  const during = [words(db), db.dataVersion() as Promise<number>, add('during'), slow].map(outcome)
  for (const end of await Promise.all(during)) t.ok(isUnavailable(end), String(end))
  t.ok(performance.now() - begun < 15_000, `within ${Math.round(performance.now() - begun)} ms`)
  const fast = performance.now()
  t.ok(isUnavailable(await outcome(words(db))))
  t.ok(performance.now() - fast < 3000, 'later ones do not wait as long')
  // The connections from before stay silent.
  proxy.mend({ staySilent: true })
  t.equal(await outcome(retry(() => add('after'))), 'after')
  t.strictSame(await retry(() => words(db)), ['after', 'before'])
})

async function retry<T>(work: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + 10_000; ; ) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > end) throw error
      await sleep(50)
    }
  }
}

t.test('reads outlive the loss of all connections at once', { context }, async (t) => {
  const { url, direct, db, words } = await openWords(t)
  // Many at once are worth one connection more each time.
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 200 }, () => words(db)))
  // Nobody here can learn of it before the next reads are sent.
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', END_READS, url], {
    encoding: 'utf8'
  })
  t.ok(Number(ended.stdout) > 3, `connections for reading: ${ended.stdout}${ended.stderr}`)
  const answers = await Promise.allSettled([words(db), words(direct)])
  for (const answer of answers) t.equal(answer.status, 'fulfilled', JSON.stringify(answer))
})

/** Ends all connections that read, as an operator would, and says how many. */
const END_READS = `
  import pg from 'pg'
  const client = new pg.Client(process.argv.at(-1))
  await client.connect()
  const { rows } = await client.query(
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and application_name = 'library-api reads'"
  )
  console.log(rows.length)
  await client.end()`

t.test('nobody waits behind a statement that takes long', { context }, async (t) => {
  const { db, words } = await openWords(t)
  const slowly = (seconds: number) =>
    sql`select pg_sleep(${seconds}), count(*) from words`.execute(db.reads as Db)
  await words(db)
  for (let i = 0; i < 3; i += 1) await slowly(0.3)
  let finished = 0
  const searches = Array.from({ length: 6 }, () => slowly(1).then(() => ++finished))
  const took: number[] = []
  for (let i = 0; i < 100; i++) {
    const begun = performance.now()
    await words(db)
    took.push(performance.now() - begun)
  }
  t.ok(finished < 6, 'they are not done yet')
  t.ok(Math.max(...took) < 900, `a short one never waits for a long one: ${Math.round(Math.max(...took))} ms`)
  await Promise.all(searches)
})

t.test('the server looks whether those who are connected are still there', { context }, async (t) => {
  const url = await newDatabase(t)
  const idle = async (parameters: string) => {
    const connection = await Connection.open(serverOf(url + parameters), { name: 'test' })
    t.teardown(() => connection.close())
    const { rows } = await connection.runAll(['show tcp_keepalives_idle'])
    return rows[0]
  }
  t.match(await idle(''), { tcp_keepalives_idle: '30' })
  t.match(await idle('?options=-ctcp_keepalives_idle%3D90'), { tcp_keepalives_idle: '90' })
})

t.test('what ends with its connection because of a time limit is unavailable', { context }, async (t) => {
  const limited = `${await newDatabase(t)}?options=-ctransaction_timeout%3D300`
  const connection = await Connection.open(serverOf(limited), { name: 'test' })
  const error = await outcome(connection.run({ sql: 'select pg_sleep(5)', parameters: [] }))
  t.match(error, { code: '25P04' })
  t.ok(isUnavailable(error))
  t.ok(connection.isLost)
})

t.test('a connection on which nothing happens is kept', { context }, async (t) => {
  const { url, db, add, words } = await openWords(t)
  await Promise.all([add('a'), words(db), db.dataVersion()])
  const watcher = await Connection.open(serverOf(url), { name: 'test' })
  t.teardown(() => watcher.close())
  const sql =
    "select pid from pg_stat_activity where datname = current_database() and application_name <> 'library-api test'"
  const processes = async () => (await watcher.run({ sql: `${sql} order by pid`, parameters: [] })).rows
  const before = await processes()
  await sleep(6000)
  await Promise.all([add('b'), words(db)])
  t.strictSame(await processes(), before)
})

t.test('a full queue refuses, and what was accepted is done before the end', { context }, async (t) => {
  const { db, direct, run, add, words } = await openWords(t)
  const many = Array.from({ length: 9900 }, () => run(behaving.doNothing, {}))
  const some = Array.from({ length: 100 }, (_, i) => add(`word ${i}`))
  t.match(await outcome(add('one more')), { message: /too many/ })
  await Promise.all([...many, ...some, db.close()])
  t.match(await outcome(add('late')), { message: /not open/ })
  t.equal((await words(direct)).length, 100)
})
