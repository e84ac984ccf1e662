import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { failedOf } from '../../bench/bench.ts'
import { type Competitor, Contenders } from '../../bench/contenders.ts'
import type { Sent } from '../../bench/counting-service.ts'
import { filesIn } from '../../bench/databases.ts'
import { buildFixture } from '../../bench/fixture.ts'
import { measureGrowth } from '../../bench/growth.ts'
import { toScript } from '../../bench/pgbench-script.ts'
import { toMarkdown } from '../../bench/report.ts'
import { ask } from '../../bench/requests.ts'
import { SCENARIOS, scenarioOf } from '../../bench/scenarios.ts'
import { callOf } from '../../db/command.ts'
import { checkWriting } from '../../db/commands/checking.ts'
import { type DatabaseEvent, openDatabase } from '../../db/database.ts'
import { SqliteEngine } from '../../db/sqlite/engine.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const hasWrk = spawnSync('wrk', ['-v']).error === undefined
const hasPgbench = spawnSync('pgbench', ['--version']).error === undefined
const PGBENCH = ['one author', 'create, each in a transaction', 'create, 16 in a transaction'].map(
  (what) => `the service to pgbench, ${what}`
)
const skip = !hasWrk && 'wrk is not installed'
const SMALL = { engine: 'sqlite' as const, authors: 50, users: 1, rounds: 1, seconds: 0.2, warmUp: 0 }

/** The command in a process of its own, on small data: its exit code and what it printed. */
async function runCommand(
  t: Test,
  parts: string[],
  { sabotage = '(fixture) => fixture', plan = 'undefined', more = [] as string[] } = {}
) {
  const output = temporaryFolder(t)
  const small = [
    '--authors',
    '200',
    '--users',
    '5',
    '--rounds',
    '1',
    '--seconds',
    '0.2',
    '--warm-up',
    '0',
    '--output',
    output,
    ...more
  ]
  const file = path.join(temporaryFolder(t), 'command.mjs')
  const settings = `{ idleSeconds: 0.1, sabotage: ${sabotage}, plan: ${plan} }`
  writeFileSync(
    file,
    `import { run } from ${JSON.stringify(path.join(ROOT, 'bench/bench.ts'))}
     process.exitCode = await run(${JSON.stringify([...small, ...parts.flatMap((part) => ['--only', part])])}, ${settings})`
  )
  const ended = promisify(execFile)(process.execPath, [file], { cwd: ROOT })
  const { code = 0, stdout, stderr } = await ended.catch((error) => error)
  return { code, stdout: String(stdout), stderr: String(stderr), output }
}

t.test('every scenario is answered as it should be, and reported', { skip }, async (t) => {
  const parts = [...SCENARIOS.map(({ name }) => name), 'alone', 'beside-writes', 'start', 'imports']
  const { code, stdout, stderr, output } = await runCommand(t, parts)
  t.equal(code, 0, stderr)
  t.comment(stdout)
  const page = readFileSync(path.join(output, 'results.md'), 'utf8')
  const picture = readFileSync(path.join(output, 'ratios.svg'), 'utf8')
  t.equal(stdout, `${page}\n`)
  t.match(picture, /^<svg .+<\/svg>\n$/s)
  for (const { title, rivals } of SCENARIOS) {
    t.match(page, new RegExp(`^\\| ${title} \\| .+ \\| 0 \\|$`, 'm'))
    t.equal(picture.includes(`>${title}</text>`), rivals.includes('raw'))
    t.equal(page.includes(`\n| ${title} | the plain stack | `), rivals.includes('plain'))
    t.equal(page.includes(`\n| ${title} | one commit per request | `), rivals.includes('commit'))
  }
  for (const figure of [
    'one client alone',
    'p99 of one author',
    'start, from the spawn',
    'memory of an idle',
    'import of 200 authors'
  ]) {
    t.match(page, `\n| ${figure}`)
  }
})

t.test('on PostgreSQL it is beside itself on SQLite, pgbench and several instances', { skip }, async (t) => {
  const { code, stderr, output } = await runCommand(t, ['create', 'instances', 'pgbench'], {
    plan: "{ names: ['one-author'], counts: [1, 2] }",
    more: ['--engine', 'postgres']
  })
  t.equal(code, 0, stderr)
  const page = readFileSync(path.join(output, 'postgres.md'), 'utf8')
  t.comment(page)
  t.match(readFileSync(path.join(output, 'postgres.svg'), 'utf8'), '>create</text>')
  // Database CPU, queries and round trips, with the memory and the failed ones after them.
  t.match(page, /^\| create \| .+ \| \d+ \| [1-9]\d*\.\d\d \| [1-9]\d*\.\d \| \d+ \| \d+ \|$/m)
  t.match(page, '\n| create | itself on SQLite | ')
  t.match(page, /^\| one author \| SQLite \| .+ \| {2}\| {2}\| {2}\| 0 \|$/m)
  t.match(page, /^\| one author \| PostgreSQL, one instance \| .+ \| 1\.\d \| 0 \|$/m)
  t.match(page, '\n| one author | PostgreSQL, 2 instances | ')
  for (const title of hasPgbench ? PGBENCH : ['beside pgbench | not measured: pgbench is missing']) {
    t.match(page, `\n| ${title} | `)
  }
  t.equal(page.includes('not measured'), !hasPgbench)
})

t.test('the statements of the service become a script of pgbench', async (t) => {
  const sent = (sql: string, parameters: unknown[], isTogether: boolean): Sent => ({
    sql,
    parameters,
    connection: 0,
    isTogether
  })
  const statements = [
    sent('select $1::text where $2 < 1 and $3 is null', ["it's 7:ok\\ of 7", 70, null], false),
    sent('insert $1', [7], false),
    sent('commit', [], true)
  ]
  t.equal(
    toScript(statements, { texts: [['7', ':unique::text']], numbers: [[7, ':number']] }),
    String.raw`select (E'it\'s ' || :unique::text || E'\x3aok\\ of ' || :unique::text)::text where 70 < 1 and null is null;
\startpipeline
insert :number;
commit;
\endpipeline
`
  )
  t.throws(() => toScript([sent('select $1', [Buffer.of()], false)], { texts: [], numbers: [] }), TypeError)
})

t.test('an answer that is not as it should be makes it fail', { skip }, async (t) => {
  const sabotage = "(fixture) => ({ ...fixture, tokens: ['wrong'] })"
  const { code, stdout, stderr } = await runCommand(t, ['search'], { sabotage })
  t.equal(code, 1)
  t.match(stderr, /\n[1-9]\d* requests were not answered as they should be\.\n/)
  t.match(stdout, /^\| search, a page of 20 \| .+ \| [1-9]\d* \|$/m)
})

t.test('a part that it does not know is told, and that wrk is missing', async (t) => {
  const unknown = await runCommand(t, ['everything'])
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, '--only everything: there is one-author, first-page, ')
  const engine = await runCommand(t, ['create'], { more: ['--engine', 'csv'] })
  t.match(engine.stderr, '--engine csv: there is sqlite, postgres')
  const env = { ...process.env, PATH: temporaryFolder(t) }
  const missing = spawnSync(process.execPath, ['bench/bench.ts'], { cwd: ROOT, env })
  t.equal(missing.status, 1)
  t.match(String(missing.stderr), /^wrk is missing: install it with /)
})

t.test(
  'growth is measured on each catalogue; the rivals answer what the service answers',
  { skip },
  async (t) => {
    const folder = temporaryFolder(t)
    const databases = filesIn(folder)
    const growing = await buildFixture(await databases.make('growing'), 50, 1)
    const growths = await measureGrowth([growing], folder, SMALL)
    const results = { outcomes: [], figures: [], growths, instances: [] }
    t.match(toMarkdown(results, SMALL), /\n\| scenario \| 50 authors \|\n/)
    t.equal(results.growths.length, 9)
    t.equal(failedOf(results), 0)

    const fixture = await buildFixture(await databases.make('service'), 50, 1)
    const contenders = new Contenders(folder, { service: fixture })
    t.teardown(() => contenders.end())
    const [service, plain, raw] = await Promise.all([
      contenders.service(),
      contenders.plain(),
      contenders.raw()
    ])
    const read = async ({ url, context: { tokens } }: Competitor, path: string) => {
      const headers = { authorization: `Bearer ${tokens[0]}` }
      return JSON.parse((await ask(url, { method: 'GET', path, headers, status: 200 })).body)
    }
    const author = `/authors/${service.context.ids[0]}`
    t.same(await read(plain, author), await read(service, author))
    const { next } = await read(plain, '/authors?limit=20')
    t.same(
      (await read(plain, next)).data.map(({ id }: { id: string }) => id),
      service.context.ids.toReversed().slice(20, 40)
    )
    // Last, for this changes authors.
    for (const name of ['one-author', 'first-page', 'not-modified', 'create', 'mix']) {
      const requests = await scenarioOf(name).requests(service.context)
      t.same(await raw.imitate(service.url, requests), undefined, name)
    }
  }
)

t.test('with one call a batch each has a commit of its own, and else they share one', async (t) => {
  t.teardown(() => {
    SqliteEngine.mostCalls = undefined
  })
  for (const [mostCalls, expected] of [
    [1, 20],
    [undefined, 1]
  ] as const) {
    SqliteEngine.mostCalls = mostCalls
    let commits = 0
    const signal = ({ event }: DatabaseEvent) => {
      if (event === 'batch') commits += 1
    }
    const database = await openDatabase(path.join(temporaryFolder(t), 'library.db'), { signal })
    await Promise.all(Array.from({ length: 20 }, () => database.run(callOf(checkWriting, {}))))
    await database.close()
    t.equal(commits, expected)
  }
})
