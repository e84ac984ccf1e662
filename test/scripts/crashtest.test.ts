import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { type CrashTest, crashtest } from '../../scripts/crashtest.ts'
import { signIn, startService } from '../../scripts/service-process.ts'
import { ENGINES, engineOf, newDatabase } from '../engines.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'
import { type Damage, damage } from './crash-damages.ts'

/** Fewer than in the long form, so that each kind of client has its turn soon. */
const WRITERS = 25

async function run(t: Test, options: Pick<CrashTest, 'rounds' | 'sabotage'>) {
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  const spoolDir = engineOf(t) === 'sqlite' ? undefined : temporaryFolder(t)
  const place = { databaseUrl: await newDatabase(t), spoolDir }
  const result = await crashtest({ place, writers: WRITERS, log, ...options })
  const output = lines.join('\n')
  t.comment(output)
  return { ...result, output }
}

t.test('what was acknowledged is there after three kills during writes', async (t) => {
  const { acknowledged, unknown, lost, kills, faults, output } = await run(t, { rounds: 3 })
  t.same(faults, [])
  t.equal(lost, 0)
  t.ok(acknowledged > 0)
  t.ok(Number(kills.get('checkpoint')) > 0, 'one was killed in a checkpoint')
  t.equal(output.match(/^round \d+: \d+ acknowledged, \d+ unknown, 0 lost/gm)?.length, 3)
  t.match(output, /^round \d: .+, in a checkpoint/m)
  t.match(output, /^round \d: .+, while an import was written/m)
  t.match(output, /^round 3: .+, and again while it started$/m)
  const counts = `${acknowledged} acknowledged, ${unknown} unknown, 0 lost`
  t.match(output, new RegExp(`\\n3 rounds, ${counts}; killed ${kills.get('checkpoint')} in a checkpoint, `))
})

t.test(
  'nor is anything lost on a server when the service is killed during an import',
  { skip: !ENGINES.includes('postgres') && 'only on a server', context: { engine: 'postgres' } },
  async (t) => {
    const { acknowledged, kills, faults, output } = await run(t, { rounds: 1 })
    t.same(faults, [])
    t.ok(acknowledged > 0 && Number(kills.get('importing')) > 0)
    t.match(output, /, 0 lost; killed 1 while an import was written, /)
  }
)

t.test('it sees what is lost, what is half there, what nobody sent, and what is undone', async (t) => {
  let damages: Damage[] = []
  const sabotage: CrashTest['sabotage'] = async (databaseFile, campaign) => {
    damages = await damage(databaseFile, campaign)
  }
  const { lost, faults, output } = await run(t, { rounds: 1, sabotage })
  for (const { name, faults: expected } of damages) {
    for (const fault of expected) {
      t.ok(
        faults.some((told) => fault.test(told) && told.includes(name)),
        String(fault)
      )
    }
  }
  t.same(
    faults.filter((told) => !damages.some(({ name }) => told.includes(name))),
    []
  )
  t.equal(lost, 8)
  t.match(output, /^round 1: .+, 8 lost.*\n {2}\S/m)
  t.match(output, /\n1 rounds, .+, 8 lost; /)
})

t.test('a lost signing key is noticed, because the one login must do', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const service = await startService(file)
  await signIn(service.url)
  await service.end('SIGKILL')
  rmSync(`${file}.keys.json`)
  await t.rejects(startService(file), {
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
  t.match(String(stderr), /^usage: npm run crashtest -- ROUNDS\n/)
})
