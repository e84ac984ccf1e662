/** `library`, the one command for all, and what npm does to options. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { refuseKeptOptions } from '../../scripts/command-line/kept-options.ts'
import { NUMBER } from '../../scripts/command-line/options.ts'
import { listen, ROOT, signIn, temporaryFolder } from '../helpers.ts'
import { CSV, file } from './client/fakes.ts'

interface Outcome {
  code: number
  stdout: string
  stderr: string
}

const PACKAGE = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))

async function run(
  program: string,
  args: string[],
  variables: Record<string, string> = {}
): Promise<Outcome> {
  const env = { ...process.env, DATABASE_URL: '/nowhere/at/all.db', ...variables }
  try {
    return { code: 0, ...(await promisify(execFile)(program, args, { cwd: ROOT, env })) }
  } catch (error) {
    return error as Outcome
  }
}

const library = (args: string[], variables?: Record<string, string>) =>
  run(process.execPath, ['bin/library.js', ...args], variables)

t.test('each command tells how it is used, and does nothing else', async (t) => {
  const commands = [
    '',
    'start',
    'authors',
    'seed',
    'user',
    'keys',
    'move',
    'backup',
    'verify',
    'restore',
    'db migrate',
    'db check',
    'db vacuum',
    'authors import x.csv'
  ]
  for (const command of commands) {
    const args = command.split(' ').filter(Boolean)
    const told = await library([...args, command.length % 2 === 0 ? '--help' : '-h'])
    t.match(told, { code: 0, stderr: '' }, command)
    t.ok(
      told.stdout.startsWith(`usage: npx library ${args.slice(0, args[0] === 'db' ? 2 : 1).join(' ')}`),
      told.stdout
    )
  }
  t.match(await library(['db', '--help']), { code: 0, stdout: /^usage: npx library COMMAND/ })
})

t.test('what a developer runs tells how it is used too', async (t) => {
  const own = ['start', 'dev', 'format', 'lint', 'typecheck', 'prepack', 'pretest', 'test']
  const scripts: [string, string][] = Object.entries(PACKAGE.scripts)
  for (const [name, script] of scripts.filter(([name]) => !own.includes(name))) {
    const command = script.replace(/^\. scripts\/instead-of-shell\.sh \|\| /, '')
    const told = await run(process.execPath, [...command.split(' ').slice(1), '--help'])
    t.match(told, { code: 0, stderr: '', stdout: /^usage: np[mx] \w/ }, name)
  }
})

t.test('what it does not know is told with its usage', async (t) => {
  const cases: [string[], string][] = [
    [[], 'usage: npx library COMMAND'],
    [['stop'], 'There is no command stop.\nusage: npx library COMMAND'],
    [['db'], 'There is no command db.\nusage: '],
    [['constructor'], 'There is no command constructor.\n'],
    [['start', '--port', '80'], 'start takes no --port.\nusage: npx library start'],
    [['keys', 'rotate', '--anounce', '5'], "Unknown option '--anounce'"]
  ]
  for (const [args, stderr] of cases) {
    const told = await library(args)
    t.match(told, { code: 2, stdout: '' }, args.join(' '))
    t.ok(told.stderr.startsWith(stderr), told.stderr)
  }
  t.match(await library(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+(?: \([0-9a-f]{12}\))?\n$/ })
})

t.test('it runs what npm run runs', async (t) => {
  t.strictSame(PACKAGE.bin, { library: 'bin/library.js' })
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  t.match(await library(['db', 'migrate', 'latest'], { DATABASE_URL }), { code: 0, stdout: /^up {2}0001/ })
  t.match(await library(['db', 'check'], { DATABASE_URL }), { code: 0, stdout: `${DATABASE_URL} is sound\n` })
  const { url, variables, names } = await service(t)
  t.match(await library(['authors', 'import', file(t, 'in.csv', CSV), '--url', url], variables), {
    code: 0,
    stdout: '3 authors created, 0 unchanged, 0 refused.\n'
  })
  t.equal((await names()).length, 3)
})

t.test('an old Node is told what it lacks', async (t) => {
  t.match(await run(process.execPath, ['--no-strip-types', 'bin/library.js', 'seed']), {
    code: 1,
    stdout: '',
    stderr: /^Node \S+ is too old, 22\.18 or newer is needed: .+\n$/
  })
})

t.test('library start is the service, and ends as it does', async (t) => {
  for (const WORKERS of ['1', '2']) {
    const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
    const env = { ...process.env, PORT: '0', DATABASE_URL, LOG_LEVEL: 'silent', WORKERS }
    const child = spawn(process.execPath, ['bin/library.js', 'start'], { cwd: ROOT, env })
    t.teardown(() => child.kill('SIGKILL'))
    let output = ''
    const ended = once(child, 'close')
    await new Promise<void>((resolve) =>
      child.stdout.on('data', (data) => {
        output += data
        if (/^data +/m.test(output)) resolve()
      })
    )
    const url = /http:\S+/.exec(output)?.[0]
    t.equal((await fetch(`${url}/health/ready`)).status, 200)
    child.kill('SIGTERM')
    t.strictSame(await ended, [0, null], `${WORKERS} workers`)
  }
})

async function service(t: Test) {
  const { server, url } = await listen(t)
  const { token } = await signIn(server, 'astrid')
  const names = () => server.db.selectFrom('authors').select('name').execute()
  return { url, names, variables: { LIBRARY_TOKEN: token, PORT: new URL(url).port, HOST: '127.0.0.1' } }
}

const hasNpm = await run('npm', ['--version']).then(({ code }) => code === 0)

t.test('npm keeps no option in silence', { skip: !hasNpm && 'npm is not installed' }, async (t) => {
  const { variables, names } = await service(t)
  const sample = file(t, 'in.csv', CSV)
  const quiet = {
    ...variables,
    npm_config_cache: temporaryFolder(t),
    npm_config_loglevel: 'error',
    npm_config_update_notifier: 'false'
  }
  const cases: [string[], string, string][] = [
    [['run', 'authors', 'import', sample, '--dry-run'], '--dry-run', `authors import ${sample} --dry-run`],
    [
      ['exec', 'library', 'authors', 'import', sample, '--dry-run'],
      '--dry-run',
      `authors import ${sample} --dry-run`
    ],
    [
      ['run', 'authors', 'import', '--map', 'Autor=name', '--partial', sample, '--refused', 'a b.csv'],
      '--partial, --refused, --map',
      `authors import ${sample} --partial --refused 'a b.csv' --map Autor=name`
    ],
    [
      ['run', 'authors', 'export', sample, '--excel', '--url', 'http://x'],
      '--excel, --url',
      `authors export ${sample} --excel --url http://x`
    ],
    [['run', 'keys', 'rotate', '--announce', '7'], '--announce', 'keys rotate --announce 7']
  ]
  // From then on npm has the command, and a dry run of its own does not keep it from running it.
  t.match(await run('npm', ['exec', 'library', '--', '--version'], quiet), { code: 0 })
  for (const [args, names, line] of cases) {
    const { code, stdout, stderr } = await run('npm', args, quiet)
    t.equal(code, 2, args.join(' '))
    t.notMatch(stdout, /created|exported/)
    t.match(stderr, `npm has kept ${names} for itself, so nothing was done. Write: npx library ${line}\n`)
  }
  t.strictSame(await names(), [], 'nothing was written')
  t.match(await run('npm', ['run', 'authors', '--', 'import', sample, '--dry-run'], quiet), {
    code: 0,
    stdout: /3 authors would be created/
  })
  t.match(await run('npm', ['exec', '--', 'library', 'authors', 'import', sample, '--dry-run'], quiet), {
    code: 0,
    stdout: /3 authors would be created/
  })
})

/** Says which arguments a script has, and waits for a signal; npm itself is left alone. */
const WAITING = `if (process.env.npm_lifecycle_event) {
  console.log(JSON.stringify([process.pid, ...process.argv.slice(2)]))
  await new Promise(() => setInterval(() => {}, 1e6))
}`

/** What somebody has typed; the lines that it writes. Killed with all that it has started when the test is over. */
function typed(t: Test, command: string, args: string[], variables: Record<string, string>) {
  const { npm_lifecycle_event: _, npm_command: __, ...inherited } = process.env
  const quiet = {
    npm_config_cache: temporaryFolder(t),
    npm_config_loglevel: 'silent',
    npm_config_update_notifier: 'false'
  }
  const env = { ...inherited, ...quiet, ...variables }
  const child = spawn(command, args, { cwd: ROOT, env, detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => endGroup(child.pid as number))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { child, exited: once(child, 'exit'), nextLine: async () => String((await lines.next()).value) }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const noSignals = (!hasNpm && 'npm is not installed') || (process.platform === 'win32' && 'no signals')

t.test('what npm run starts takes the place of the shell of npm', async (t) => {
  const scripts: [string, string][] = Object.entries(PACKAGE.scripts)
  for (const [name, script] of scripts) {
    if (/^(pre)?test$|^lint$|^format$|^typecheck$/.test(name)) continue
    t.match(
      script,
      /^\. scripts\/instead-of-shell\.sh \|\| node (--import \.\/scripts\/check-node\.js |--watch )?[\w/-]+\.[jt]s$/,
      name
    )
  }
})

t.test('a signal to npm ends what npm run has started', { skip: noSignals }, async (t) => {
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(WAITING)}`
  // One of each form that the scripts have.
  for (const [index, name] of ['start', 'dev', 'seed', 'db:migrate', 'bench'].entries()) {
    const signal = index % 2 === 0 ? 'SIGTERM' : 'SIGINT'
    const more = ['--', 'two words', '--option', '$HOME"\'']
    const { child, exited, nextLine } = typed(t, 'npm', ['run', name, ...more], { NODE_OPTIONS })
    const [pid, ...args] = JSON.parse(await nextLine())
    t.strictSame(args, more.slice(1), `${name} has its arguments`)
    child.kill(signal)
    await exited
    t.notOk(isRunning(pid), `${name} ends at ${signal}`)
  }
})

// A SIGINT of its own npx gives to a shell that waits; a Ctrl+C in a terminal reaches the service by itself.
t.test('SIGTERM to npx ends the service that it has started', { skip: noSignals }, async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const variables = { PORT: '0', DATABASE_URL, LOG_LEVEL: 'silent' }
  const { child, nextLine } = typed(t, 'npx', ['library', 'start'], variables)
  const closed = once(child, 'close')
  while (!/^data |undefined/.test(await nextLine()));
  t.ok(existsSync(`${DATABASE_URL}-wal`))
  child.kill('SIGTERM')
  await closed
  t.notOk(existsSync(`${DATABASE_URL}-wal`), 'the database was closed')
})

const OPTIONS = {
  'dry-run': { type: 'boolean' },
  map: { type: 'string', looksLike: /=/ },
  format: { type: 'string', looksLike: /^(csv|ndjson)$/ },
  url: { type: 'string', placeholder: 'URL', looksLike: /^https?:/ },
  refused: { type: 'string', placeholder: 'FILE' },
  rounds: { type: 'string', looksLike: NUMBER }
} as const

function kept(args: string[], variables: Record<string, string>): string | undefined {
  const before = process.env
  process.env = { PATH: '/bin', ...variables }
  try {
    refuseKeptOptions({ begin: 'x', options: OPTIONS, words: 2, args })
    return undefined
  } catch (error) {
    return (error as Error).message.replace(/^.*Write: /, '')
  } finally {
    process.env = before
  }
}

t.test('what was meant is told from what npm leaves', async (t) => {
  const npm = { npm_command: 'run' }
  const cases: [string[], Record<string, string>, string | undefined][] = [
    [['import', 'f'], npm, undefined],
    [['import', 'f'], { npm_config_dry_run: 'true' }, undefined],
    [['import', 'f'], { ...npm, npm_config_dry_run: '', npm_config_loglevel: 'error' }, undefined],
    [['import', 'f'], { ...npm, npm_config_dry_run: 'true' }, 'x import f --dry-run'],
    [['import', 'f'], { ...npm, npm_config_dryrun: 'true' }, 'x import f --dry-run'],
    [['import', 'f'], { ...npm, NPM_CONFIG_DRY_RUN: 'true' }, 'x import f --dry-run'],
    [['import', 'f', '--dry-run'], { ...npm, npm_config_dry_run: 'true' }, undefined],
    [['import', 'f', '--no-dry-run'], { ...npm, npm_config_dry_run: 'true' }, undefined],
    [['import', 'f'], { ...npm, npm_config_url: 'http://a' }, 'x import f --url http://a'],
    [['import', 'http://a', 'f'], { ...npm, npm_config_url: 'true' }, 'x import f --url http://a'],
    [['import', 'f'], { ...npm, npm_config_url: 'true' }, 'x import f --url URL'],
    [['import', 'f', 'csv'], npm, 'x import f --format csv'],
    [['import', 'a=b.csv'], npm, undefined],
    [['import', 'f', 'a b=name', '--rounds', '3'], npm, "x import f --rounds 3 --map 'a b=name'"],
    [['import', 'f', 'g'], npm, undefined],
    [['import', 'f', '--fromat', 'csv'], npm, undefined],
    [['import', 'f', "it's"], { ...npm, npm_config_refused: 'true' }, "x import f --refused 'it'\\''s'"],
    [['5'], { ...npm, npm_config_rounds: 'true' }, 'x --rounds 5'],
    [['import'], { ...npm, npm_config_refused: 'true' }, 'x import --refused FILE']
  ]
  for (const [args, variables, line] of cases) t.equal(kept(args, variables), line, args.join(' '))
})
