import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import { type CrashTest, crashtest } from '../../scripts/crashtest.ts'
import { retrytest } from '../../scripts/retrytest.ts'
import { startService } from '../../scripts/service-process.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

async function run(t: Test, options: Pick<CrashTest, 'rounds' | 'sabotage'>) {
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  const databaseFile = path.join(temporaryFolder(t), 'library.db')
  const result = await crashtest({ databaseFile, log, ...options })
  return { ...result, output: lines.join('\n') }
}

const SABOTAGES = [
  'delete from authors where id = @id',
  `insert into authors select 'ffffffff-ffff-7fff-bfff-ffffffffffff', 'x', 'x', book, country, booker_prize, birth_year,
   death_year, viaf, isni, wikidata, openlibrary, note, owner_id, version, created_at, updated_at, 'x', book_key,
   country_key, words, birth_key from authors where id = @id`,
  "update authors set note = 'half' where id = @id"
]

t.test('what was acknowledged is there after ten kills amid writes', async (t) => {
  const { acknowledged, lost, faults, output } = await run(t, { rounds: 10 })
  t.comment(output)
  t.same(faults, [])
  t.equal(lost, 0)
  t.ok(acknowledged > 0)
  t.equal(
    output.match(/^round \d+: \d+ acknowledged, \d+ unknown \(\d+ of them there\), 0 lost$/gm)?.length,
    10
  )
  t.match(output, 'integrity_check: ok\n')
  t.match(output, new RegExp(`\\n10 rounds, ${acknowledged} acknowledged, 0 lost$`))
})

t.test('it sees what is lost, what is changed, and what nobody sent', async (t) => {
  const statements = SABOTAGES.values()
  const sabotage: CrashTest['sabotage'] = (databaseFile, [author]) => {
    const database = new Sqlite(databaseFile)
    database.prepare(statements.next().value as string).run({ id: author?.id })
    database.close()
  }
  const { lost, faults, output } = await run(t, { rounds: SABOTAGES.length, sabotage })
  t.comment(output)
  t.match(faults, [
    /^lost: /,
    /^GET \S+ is not what POST answered$/,
    /^not as it was sent: ffffffff-/,
    /^GET \S+ is not what POST answered$/,
    /^changed: /
  ])
  t.equal(lost, 1)
  t.match(output, /^round 1: .+, 1 lost\n {2}lost: .+\n {2}GET .+\nround 2: .+, 0 lost$/m)
  t.match(output, /\n3 rounds, \d+ acknowledged, 1 lost$/)
})

t.test('a lost signing key is noticed, for the one login must do', async (t) => {
  const sabotage = (databaseFile: string) => rmSync(`${databaseFile}.keys.json`)
  await t.rejects(run(t, { rounds: 1, sabotage }), {
    message: /did not start:[\s\S]*holds the signing keys, is missing/
  })
})

t.test('a service that does not come up is told with what it printed', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  writeFileSync(file, 'no database')
  await t.rejects(startService(file), { message: /^The service did not start:\n.*not an SQLite database/ })
})

t.test('the command says how it is used', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/crashtest.ts', 'many'], { cwd: ROOT })
  t.equal(status, 1)
  t.equal(String(stderr), 'usage: npm run crashtest -- ROUNDS\n')
})

t.test('a thousand retried POSTs across ten kills make a thousand authors', async (t) => {
  const lines: string[] = []
  const databaseFile = path.join(temporaryFolder(t), 'library.db')
  const log = (line: string) => lines.push(line)
  const { authors, requests, faults } = await retrytest({ posts: 1000, kills: 10, databaseFile, log })
  t.comment(lines.join('\n'))
  t.strictSame({ authors, faults }, { authors: 1000, faults: [] })
  t.ok(requests > 2000, 'some were sent again')
})

t.test('without keys a retry would be noticed', async (t) => {
  const databaseFile = path.join(temporaryFolder(t), 'library.db')
  const { faults } = await retrytest({ posts: 20, kills: 0, databaseFile, log: () => {}, withoutKeys: true })
  t.equal(faults.length, 20)
})
