// On SQLite alone: the lock of its file.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { temporaryFolder } from '../../helpers.ts'
import { addWord } from './commands/filling.ts'
import { COMMANDS, callOf } from './world.ts'

const MILLISECONDS = 2000

async function openWords(t: Test) {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = await openDatabase(file, { commandFolders: [COMMANDS] })
  t.teardown(() => db.close())
  const other = new Sqlite(file)
  t.teardown(() => other.close())
  other.exec('create table words (word text primary key)')
  return { file, db, other, add: (word: string) => db.run(callOf(addWord, { word })) }
}

t.test('calls wait for another process, up to two seconds, while the event loop reads', async (t) => {
  const { db, other, add } = await openWords(t)
  other.exec('begin immediate')
  const waiting = Promise.all(['a', 'b', 'c'].map(add))
  for (let i = 0; i < 20; i++) {
    const begun = performance.now()
    await sql`select * from words`.execute(db.reads as never)
    t.ok(performance.now() - begun < 500, 'a read is served meanwhile')
  }
  other.exec('commit')
  t.strictSame(await waiting, ['a', 'b', 'c'])

  other.exec('begin immediate')
  const begun = performance.now()
  const refused = await Promise.allSettled(['d', 'e', 'f'].map(add))
  const waited = performance.now() - begun
  for (const result of refused) t.ok(result.status === 'rejected' && isUnavailable(result.reason))
  t.ok(waited > 1900 && waited < 4000, `they waited ${Math.round(waited)} ms side by side`)
  other.exec('rollback')
  t.equal(await add('g'), 'g')
})

t.test('two processes that write all the time take turns', async (t) => {
  let [one, other] = await compete(t)
  // A disk that stalls once tells nothing of them; what starves does so each time.
  for (let more = 2; more > 0 && !isFair(one, other); more--) [one, other] = await compete(t)
  t.equal(one.refused + other.refused, 0)
  t.ok(isFair(one, other), 'about as often, and none waits for long')
})

/** Two processes that write to a file of their own. */
async function compete(t: Test): Promise<[Result, Result]> {
  const { file } = await openWords(t)
  const processes = ['one', 'other'].map((name) =>
    fork(path.join(import.meta.dirname, 'busy-process.ts'), [file, name, String(MILLISECONDS)])
  )
  t.teardown(() => processes.map((process) => process.kill('SIGKILL')))
  const exits = processes.map((process) => once(process, 'exit'))
  await Promise.all(processes.map(nextMessage))
  const results = processes.map(nextMessage)
  for (const process of processes) process.send('begin')
  const both = (await Promise.all(results)) as [Result, Result]
  t.comment(both)
  await Promise.all(exits)
  return both
}

function isFair(one: Result, other: Result): boolean {
  const isEven = Math.min(one.done, other.done) * 5 > Math.max(one.done, other.done)
  return isEven && Math.max(one.longestMs, other.longestMs) < 1500
}

interface Result {
  done: number
  refused: number
  longestMs: number
}

async function nextMessage(process: ChildProcess): Promise<unknown> {
  return (await once(process, 'message'))[0]
}
