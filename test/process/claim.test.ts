import { statSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { claimDatabase } from '../../db/claim.ts'
import { releaseLock } from '../../db/file-lock.ts'
import { dropPreparedEngine, prepareEngine } from '../../db/prepare.ts'
import { threads } from '../../db/sqlite/writing/threads.ts'
import { temporaryFolder } from '../helpers.ts'

t.test('a process claims a file before it opens it, and tells whether it is new', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  t.teardown(() => releaseLock(`${file}.lock`))
  t.strictSame(claimDatabase(file), { isNew: true, servedBy: undefined })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.strictSame(claimDatabase(`sqlite:${file}`), { isNew: true, servedBy: undefined }, 'it has it itself')
  t.strictSame(claimDatabase('postgres://me@sea.example/books'), {}, 'of a server others may have it too')
})

t.test('a thread that was prepared is taken once, or dropped where it is not needed', async (t) => {
  prepareEngine('postgres://me@sea.example/books')
  dropPreparedEngine()
  prepareEngine('library.db')
  dropPreparedEngine('library.db')
  const prepared = threads.take([])
  const other = threads.take([])
  t.not(prepared, other)
  for (const thread of [prepared, other]) threads.giveBack(thread, [])
  prepareEngine()
  dropPreparedEngine()
  t.pass('it ends with the others')
})
