// On SQLite alone: its writer thread.
import { mkdirSync, renameSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as timer } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { type DatabaseEvent, openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { threads } from '../../../db/sqlite/writing/threads.ts'
import { Writer } from '../../../db/sqlite/writing/writer.ts'
import { temporaryFolder } from '../../helpers.ts'
import { addWord, die, fill } from './commands/filling.ts'
import * as commands from './commands/misbehaving.ts'
import { COMMANDS, callOf } from './world.ts'

async function openWords(t: Test, options = {}) {
  const file = path.join(temporaryFolder(t), 'library.db')
  const events: DatabaseEvent[] = []
  const db = await openDatabase(file, {
    commandFolders: [COMMANDS],
    signal: (event) => events.push(event),
    ...options
  })
  t.teardown(() => db.close())
  const other = new Sqlite(file)
  t.teardown(() => other.close())
  other.exec('create table words (word text primary key)')
  const add = (word: string) => db.run(callOf(addWord, { word }))
  /** As soon as another thread has begun. */
  const addLater = async (word: string) => {
    for (;;) {
      const error = await add(word).catch((error) => error)
      if (!isUnavailable(error)) return t.equal(error, word)
      await timer(5)
    }
  }
  const words = () => other.prepare('select word from words order by rowid').pluck().all()
  return { db, file, other, events, add, addLater, words }
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error) => error
  )
const names = (events: DatabaseEvent[]) =>
  events.map(({ event }) => event).filter((event) => event !== 'batch')

for (const command of [die, commands.loop, commands.loopInSql, commands.throwLater] as const) {
  t.test(`after ${command.name} another thread goes on, and nobody was left without an answer`, async (t) => {
    const { db, events, add, addLater, words } = await openWords(t)
    await add('before')
    const own = outcome(db.run(callOf(command, {})))
    const neighbours = await Promise.all(
      ['beside', 'beside too'].map((word) => outcome(db.run(callOf(commands.addSoon, { word }))))
    )
    if (command !== commands.throwLater) {
      for (const error of [await own, ...neighbours]) t.ok(isUnavailable(error), String(error))
    }
    while (names(events).length === 0) await timer(5)
    await addLater('after')
    t.strictSame(names(events), ['writer_ended'])
    t.ok(words().includes('before') && words().includes('after'))
  })
}

t.test('a thread that ends at its start refuses the start, and does not begin again', async (t) => {
  process.env.MUTANT = 'dies at its start'
  t.teardown(() => {
    delete process.env.MUTANT
  })
  const opening = openDatabase(path.join(temporaryFolder(t), 'library.db'), { commandFolders: [COMMANDS] })
  t.ok(isUnavailable(await outcome(opening)))
  const folder = path.join(temporaryFolder(t), 'library.db')
  mkdirSync(folder)
  await t.rejects(openDatabase(folder), { name: 'DatabaseRefused' })
})

t.test('a thread that cannot begin again is tried again until it can', async (t) => {
  const { db, file, events, add, addLater } = await openWords(t)
  await add('before')
  t.ok(isUnavailable(await outcome(db.run(callOf(die, {})))))
  // The next thread has to load its modules before it looks for the file.
  renameSync(file, `${file}.away`)
  while (names(events).length < 2) await timer(5)
  t.ok(isUnavailable(await outcome(add('meanwhile'))))
  renameSync(`${file}.away`, file)
  await addLater('after')
})

t.test('closing finishes what was accepted', async (t) => {
  const { db, add, words } = await openWords(t)
  const accepted = Array.from({ length: 500 }, (_, i) => add(`word ${i}`))
  const closed = Promise.all([db.close(), db.close()])
  t.equal((await Promise.all(accepted)).length, 500)
  await closed
  t.equal(words().length, 500)
  t.ok(isUnavailable(await outcome(add('late'))))
})

t.test('closing does not hang', async (t) => {
  const { longestCloseMs } = Writer
  t.equal(longestCloseMs, 10_000)
  t.teardown(() => {
    Writer.longestCloseMs = longestCloseMs
  })
  // One of these threads works for nothing until it is ended.
  Writer.longestCloseMs = 1000
  for (const command of [commands.keepThread, commands.loopLater, die]) {
    const { db, add } = await openWords(t)
    await add('before')
    const last = outcome(db.run(callOf(command, {})))
    if (command === commands.loopLater || command === commands.keepThread) await last
    await timer(5)
    await db.close()
    const error = await last
    t.ok(error === 'done' || isUnavailable(error), command.name)
  }
})

t.test('a thread that fails once its database is closed ends alone', async (t) => {
  const { db } = await openWords(t)
  const { giveBack } = threads
  const given = Promise.withResolvers<Worker>()
  threads.giveBack = (thread, commandFolders) => {
    giveBack(thread, commandFolders)
    given.resolve(thread)
  }
  t.teardown(() => Object.assign(threads, { giveBack }))
  await db.run(callOf(commands.throwOnceEnded, {}))
  const closed = db.close()
  const thread = await given.promise
  // Not `once` of events, which would listen for errors too.
  const code = await new Promise((resolve) => thread.once('exit', resolve))
  t.equal(code, 1, 'it failed')
  await closed
})

t.test('a full queue is refused at once', async (t) => {
  const { db, other, add, words } = await openWords(t)
  other.exec('begin immediate')
  const accepted = Array.from({ length: 10_000 }, (_, i) => outcome(add(`word ${i}`)))
  const refused = await outcome(add('one too many'))
  t.match(refused, { message: 'too many writes wait' })
  t.ok(isUnavailable(refused))
  other.exec('rollback')
  t.ok((await Promise.all(accepted)).every((end) => end === 'done'))
  t.equal(words().length, 10_000)
  await sql`select 1`.execute(db.reads as never)
})

t.test('what cannot be cloned fails alone, and so does what is no error', async (t) => {
  const { db, add, words } = await openWords(t)
  const all = [
    add('before'),
    db.run(callOf(addWord, { word: (() => {}) as never })),
    db.run(callOf(commands.giveFunction, {})),
    db.run(callOf(commands.throwText, {})),
    db.run({ ...callOf(addWord, { word: 'x' }), command: 'unknown' }),
    add('after')
  ]
  const ends = await Promise.all(all.map(outcome))
  t.match(ends, [
    'done',
    { message: /could not be cloned/ },
    { message: /could not be cloned/ },
    { message: 'a text was thrown' },
    { message: 'There is no command unknown.' },
    'done'
  ])
  t.strictSame(words(), ['before', 'with a function', 'after'])
})

t.test('a batch that is run again answers as if it had run once', async (t) => {
  const { db, words, events } = await openWords(t)
  const call = (word: string, fails?: 'early' | 'late') => {
    const made = callOf(commands.note, fails === undefined ? { word } : ({ word, fails } as never))
    return db.run({ ...made, stamp: { id: `id of ${word}`, at: `time of ${word}` } })
  }
  const ends = await Promise.all(
    [call('a'), call('b', 'early'), call('c', 'late'), call('d'), call('a'), call('e')].map((run) =>
      run.catch((error) => error)
    )
  )
  t.match(ends, [
    { id: 'id of a', at: 'time of a', number: 1 },
    { code: 'KEY_NOT_FOUND', details: ['b'] },
    { code: 'USERNAME_TAKEN', details: ['c'], extras: { headers: { etag: 'id of c' } } },
    { id: 'id of d', at: 'time of d', number: 2 },
    { message: /UNIQUE constraint failed: words.word/ },
    { id: 'id of e', at: 'time of e', number: 3 }
  ])
  t.ok((ends.at(-1) as { runs: number }).runs > 6, 'it was run again')
  t.strictSame(words(), ['a', 'd', 'e'])
  t.match(events, [{ event: 'batch', calls: 6 }])
})

t.test(
  'it is signalled how long a batch waited for another process, and what was copied of the log',
  async (t) => {
    const { db, other, add, events } = await openWords(t)
    const lockMs = () =>
      events.reduce((most, event) => Math.max(most, event.event === 'batch' ? event.lockMs : 0), 0)
    // Longer and longer, until the thread has come to it in time.
    for (let held = 4; lockMs() < 2; held *= 2) {
      other.exec('begin immediate')
      const written = add(`after ${held} ms`)
      await timer(held)
      other.exec('commit')
      await written
    }
    other.exec('create table ballast (bytes blob)')
    await db.run(callOf(fill, {}))
    await add('after the checkpoint')
    const [checkpoint] = events.filter(({ event }) => event === 'checkpoint') as {
      pages: number
      copied: number
    }[]
    t.ok(checkpoint && checkpoint.pages > 100, 'the pages of the log')
    t.equal(checkpoint?.copied, checkpoint?.pages)
  }
)

t.test('what a failed command has left on its way writes nothing for its neighbours', async (t) => {
  const { db, add, words } = await openWords(t)
  await Promise.all([add('before'), t.rejects(db.run(callOf(commands.failBeside, {}))), add('after')])
  t.strictSame(words(), ['before', 'after'])
})

t.test('a command that ends the transaction by itself fails with its batch', async (t) => {
  const { db, add, words } = await openWords(t)
  const ends = [outcome(add('before')), outcome(db.run(callOf(commands.rollBack, {})))]
  for (const end of await Promise.all(ends)) t.ok(isUnavailable(end))
  await add('later')
  t.strictSame(words(), ['later'])
})
