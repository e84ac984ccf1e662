import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import { openDatabase } from '../../db/database.ts'
import { upkeepOf } from '../../db/dialect.ts'
import { unsoundness } from '../../scripts/crash/soundness.ts'
import { AUTHOR, buildApp, firstPageOf, ROOT, signIn, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)
/** Runs the command. */
const check = (file: string) =>
  run(process.execPath, ['scripts/check.ts'], { cwd: ROOT, env: { ...process.env, DATABASE_URL: file } })

/** What it finds, by a check in this process. */
const faultsOf = async (file: string) => (await (await upkeepOf(file)).check()).faults.join('\n')

async function openLibrary(t: Test) {
  const file = path.join(temporaryFolder(t), 'library.db')
  return { file, db: await openDatabase(file) }
}

t.test('a sound file is found so, closed and in use, and left as it was', async (t) => {
  const { file, db } = await openLibrary(t)
  t.match((await check(file)).stdout, `${file} is sound`)
  await db.close()
  const before = readFileSync(file)
  t.match((await check(file)).stdout, `${file} is sound`)
  t.ok(readFileSync(file).equals(before))
  t.notOk(existsSync(`${file}-wal`), 'nor is there a log, which would look like a crash')
})

t.test('a row that refers to nothing is told', async (t) => {
  const { file, db } = await openLibrary(t)
  await db.close()
  const writer = new Sqlite(file)
  writer.pragma('foreign_keys = 0')
  writer.exec('create table a (id integer primary key)')
  writer.exec('create table b (a integer references a (id)); insert into b values (7)')
  writer.close()
  t.equal(await faultsOf(file), 'row 1 of b refers to a row of a that is not there')
  await t.rejects(check(file), {
    code: 1,
    stderr: /row 1 of b refers to a row of a that is not there[\s\S]*Restore it/
  })
})

t.test('a word index that contradicts itself is told, closed and in use', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const server = await buildApp(t, { DATABASE_URL: file })
  const { headers } = await signIn(server)
  for (const book of ['Fury', 'Shame'])
    await server.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, book } })
  t.equal(await faultsOf(file), '')
  t.strictSame(unsoundness(file), [])
  const writer = new Sqlite(file)
  writer.unsafeMode()
  // Segments of the index come after its own two rows.
  writer.exec(
    'delete from author_words_data where id = (select min(id) from author_words_data where id > 10)'
  )
  writer.close()
  const damaged = /author_words/
  await t.rejects(check(file), { code: 1, stderr: damaged })
  t.match(unsoundness(file), [
    /^integrity_check: .*author_words/,
    /^half: a term is of no author: .* malformed/
  ])
  await server.close()
  t.match(await faultsOf(file), damaged)
})

t.test('damages are told, closed and in use', async (t) => {
  const { file, db } = await openLibrary(t)
  await db.close()
  const damaged = readFileSync(file)
  damaged.fill(0xff, ...firstPageOf(file, 'authors'))
  writeFileSync(file, damaged)
  await t.rejects(faultsOf(file), {
    name: 'DatabaseRefused',
    message: /is damaged.*Restore it from a backup/
  })
  const inUse = await openDatabase(file)
  await t.rejects(check(file), { code: 1, stderr: /[\s\S]+Restore it from a backup/ })
  await inUse.close()
  writeFileSync(file, damaged.subarray(0, 8192))
  await t.rejects(check(file), { code: 1, stderr: /is damaged/ })
  writeFileSync(file, 'x'.repeat(5000))
  await t.rejects(faultsOf(file), {
    name: 'DatabaseRefused',
    message: /is damaged \(file is not a database\)/
  })
  await t.rejects(faultsOf(`${file}.none`), { name: 'DatabaseRefused', message: /There is no/ })
})
