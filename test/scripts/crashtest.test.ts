import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { Session } from '../../scripts/crash/account.ts'
import type { Life } from '../../scripts/crash/life.ts'
import { type CrashTest, crashtest } from '../../scripts/crashtest.ts'
import { startService } from '../../scripts/service-process.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

async function run(t: Test, options: Pick<CrashTest, 'rounds' | 'sabotage'>) {
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  const databaseFile = path.join(temporaryFolder(t), 'library.db')
  const result = await crashtest({ databaseFile, log, ...options })
  return { ...result, output: lines.join('\n') }
}

/** What is done to an author that was acknowledged, each to another one, and how that is told. */
const SABOTAGES = new Map([
  ['delete from authors where id = @id', /^lost: the whole of author /],
  [
    "update authors set record = json_set(record, '$.note', 'half') where id = @id",
    /^changed: GET of author /
  ],
  ["update authors set note = 'half' where id = @id", /^half: the columns of an author are not its record: /],
  [
    "update authors set version = version + 1, record = json_set(record, '$.version', version + 1) where id = @id",
    /^half: an author is not its last change: /
  ],
  [
    'delete from changes where author_id = @id and version = (select version from authors where id = @id)',
    /^lost: changes \d+ to \d+ in the feed of author /
  ],
  [
    'delete from author_words where author_id = @id and word = (select substr(name, 7) from authors where id = @id)',
    /^half: an author lacks a word: /
  ]
])
const FOREIGN = `insert into authors select 'ffffffff-ffff-7fff-bfff-ffffffffffff', 'x', 'x', book, country, booker_prize,
  birth_year, death_year, null, null, null, null, note, owner_id, version, created_at, updated_at, 'x', book_key,
  country_key, words, birth_key, json_set(record, '$.id', 'ffffffff-ffff-7fff-bfff-ffffffffffff') from authors limit 1`
const LOGOUT_UNDONE = 'update sessions set ended_at = null, end_reason = null where id = @id'

t.test('what was acknowledged is there after six kills during writes', async (t) => {
  const { acknowledged, unknown, lost, checkpoints, faults, output } = await run(t, { rounds: 6 })
  t.comment(output)
  t.same(faults, [])
  t.equal(lost, 0)
  t.ok(acknowledged > 0)
  t.ok(checkpoints > 0, 'one was killed in a checkpoint')
  t.equal(output.match(/^round \d+: \d+ acknowledged, \d+ unknown, 0 lost/gm)?.length, 6)
  t.match(output, /^round \d: .+ in a checkpoint/m)
  t.match(output, /^round 3: .+ again while it started$/m)
  const counts = `${acknowledged} acknowledged, ${unknown} unknown, 0 lost, ${checkpoints} during a checkpoint`
  t.match(output, new RegExp(`\\n6 rounds, ${counts}$`))
})

t.test(
  'it sees what is lost, what is half there, what nobody sent, and a logout that is undone',
  async (t) => {
    const expected: { name: string; fault: RegExp }[] = [
      { name: 'ffffffff-', fault: /^not as it was sent: / }
    ]
    const sabotage: CrashTest['sabotage'] = (databaseFile, { journal, visitors }) => {
      const database = new Sqlite(databaseFile)
      database.exec(FOREIGN)
      const acknowledged = [...journal.lives].filter(
        (life) => life.author !== null && life.pending.length === 0
      )
      const fresh = acknowledged.filter(({ shown, versions }) => shown < versions.length).values()
      for (const [statement, fault] of SABOTAGES) {
        const { id = '' } = fresh.next().value as Life
        t.equal(database.prepare(statement).run({ id }).changes, 1)
        expected.push({ name: id, fault })
      }
      const session = visitors[0]?.accounts[0]?.sessions[0] as Session
      t.equal(database.prepare(LOGOUT_UNDONE).run({ id: sessionIdIn(session.token) }).changes, 1)
      expected.push({ name: session.account.username, fault: /^lost: the logout of a session of / })
      database.close()
    }
    const { lost, faults, output } = await run(t, { rounds: 2, sabotage })
    t.comment(output)
    for (const { name, fault } of expected) {
      t.ok(
        faults.some((told) => fault.test(told) && told.includes(name)),
        String(fault)
      )
    }
    t.same(
      faults.filter((told) => !expected.some(({ name }) => told.includes(name))),
      []
    )
    t.equal(lost, 3)
    t.match(output, /^round 1: .+, 0 lost\nround 2: .+, 3 lost.*\n {2}\S/m)
    t.match(output, /\n2 rounds, .+, 3 lost, .+$/)
  }
)

function sessionIdIn(accessToken: string): string {
  return JSON.parse(Buffer.from(accessToken.split('.')[1] as string, 'base64url').toString()).sid
}

t.test('a lost signing key is noticed, because the one login must do', async (t) => {
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
