// On SQLite alone: its writer thread.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import { type DatabaseEvent, openDatabase } from '../../../db/database.ts'
import { isUnavailable } from '../../../db/dialect.ts'
import { ROOT, temporaryFolder } from '../../helpers.ts'
import { addWord, fill, makeTables } from './commands/filling.ts'
import './commands/faulty.ts'
import { COMMANDS, callOf } from './world.ts'

const CODES = [
  'SQLITE_CORRUPT',
  'SQLITE_NOTADB',
  'SQLITE_IOERR',
  'SQLITE_IOERR_READ',
  'SQLITE_IOERR_SHORT_READ',
  'SQLITE_IOERR_WRITE',
  'SQLITE_FULL',
  'SQLITE_READONLY',
  'SQLITE_CANTOPEN',
  'SQLITE_PROTOCOL'
]

t.test('wherever SQLite fails, calls are unavailable, and done again when it is well', async (t) => {
  const folder = temporaryFolder(t)
  process.env.FAULT_AT = path.join(folder, 'fault')
  t.teardown(() => {
    delete process.env.FAULT_AT
  })
  const setFault = (fault: string) => writeFileSync(process.env.FAULT_AT as string, fault)
  setFault('')
  const events: DatabaseEvent[] = []
  const signal = (event: DatabaseEvent) => events.push(event)
  const db = await openDatabase(path.join(folder, 'library.db'), { commandFolders: [COMMANDS], signal })
  t.teardown(() => db.close())
  await db.run(callOf(makeTables, {}))
  const words: string[] = []
  const add = async (word: string) => {
    await db.run(callOf(addWord, { word }))
    words.push(word)
  }
  const read = async () =>
    (await sql<{ word: string }>`select word from words`.execute(db.reads as never)).rows

  for (const code of CODES) {
    for (const place of ['begin', 'statement', 'commit']) {
      setFault(`${place} ${code}`)
      const ends = await Promise.allSettled([1, 2].map((n) => add(`${place} ${code} ${n}`)))
      for (const end of ends)
        t.ok(end.status === 'rejected' && isUnavailable(end.reason), `${code} at ${place}`)
      setFault('')
      await add(`${place} ${code} later`)
    }
    setFault(`read ${code}`)
    t.ok(isUnavailable(await read().catch((error) => error)), `${code} at read`)
    setFault(`checkpoint ${code}`)
    await db.run(callOf(fill, {}))
    await add(`checkpoint ${code}`)
    setFault('')
    t.ok(events.splice(0).some(({ event }) => event === 'checkpoint_failed'))
    t.equal((await read()).length, words.length)
  }
  t.notOk(events.some(({ event }) => event === 'writer_ended'))

  setFault('commit SQLITE_IOERR_FSYNC')
  t.ok(isUnavailable(await add('lost').catch((error) => error)))
  setFault('')
  t.match(await add('lost').catch((error) => error), { message: /could not be synced.*restart/ })
  t.equal((await read()).length, words.length, 'reads go on')
})

t.test('a thread that is out of memory is followed by another', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--max-old-space-size=128', 'test/db/writer/out-of-memory.ts', file],
    { cwd: ROOT, encoding: 'utf8' }
  )
  t.strictSame([status, stdout], [0, 'true\nwriter_ended\nworks again\n'])
})
