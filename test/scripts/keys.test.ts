import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { createKeyFile } from '../../plugins/signing-keys/key-file.ts'
import { newKey, rotate, type StoredKey } from '../../plugins/signing-keys/key-set.ts'
import { WITHOUT_PROFILE } from '../../scripts/bash.ts'
import { keys as keysIn } from '../../scripts/keys/commands.ts'
import { buildApp, ROOT, signIn, temporaryFolder } from '../helpers.ts'

const LINE = /^[\w-]{43} {2}(announced|active|retired until \S+Z|expired) {2}created \S+Z {2}signs from \S+Z/

/** What the command does with the keys beside this database file, in this process; gives what it tells. */
async function keys(DATABASE_URL: string, ...args: string[]): Promise<string> {
  return (await keysIn(args, { DATABASE_URL })).join('\n')
}

/** Runs the command itself. */
function runKeys(DATABASE_URL: string, ...args: string[]) {
  return run(process.execPath, ['scripts/keys.ts', ...args], DATABASE_URL)
}

function run(command: string, args: string[], DATABASE_URL: string) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: ROOT, env: { ...process.env, LOG_LEVEL: 'warn', DATABASE_URL } }
    execFile(command, args, options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code as number), stdout, stderr })
    )
  })
}

function databaseIn(t: Test) {
  const database = path.join(temporaryFolder(t), 'library.db')
  const file = `${database}.keys.json`
  const read = () => (JSON.parse(readFileSync(file, 'utf8')) as { keys: StoredKey[] }).keys
  return { database, file, read }
}

const statesIn = (told: string) => told.split('\n').map((line) => line.split('  ')[1]?.split(' ')[0])

t.test(
  'create makes the first key, rotate adds the next, list tells them all, and no secret is printed',
  async (t) => {
    const { database, read } = databaseIn(t)
    const created = await runKeys(database, 'create')
    t.match(created, { code: 0, stderr: '', stdout: LINE })
    t.equal(`${await keys(database, 'list')}\n`, created.stdout)

    t.strictSame(statesIn(await keys(database, 'rotate')), ['active', 'announced'])
    const [first, second] = read() as [StoredKey, StoredKey]
    t.equal(Date.parse(second.active_from) - Date.parse(second.created_at), 120_000)
    t.equal(first.retired_at, second.active_from)

    await keys(database, 'rotate', '--announce', '3600')
    const rotated = await runKeys(database, 'rotate', '--announce', '0')
    const told = await keys(database, 'list')
    t.match(rotated, { code: 0, stderr: '', stdout: `${told}\n` })
    t.strictSame(statesIn(told), ['retired', 'active', 'announced', 'announced'])
    for (const line of told.split('\n')) t.match(line, LINE)
    for (const { kid, d } of read()) t.ok(told.includes(kid) && !told.includes(d))
  }
)

t.test('list tells what has expired, and rotate removes it', async (t) => {
  const { database, file } = databaseIn(t)
  const longAgo = new Date(Date.now() - 2 * 86_400_000)
  createKeyFile(file, rotate([newKey(longAgo)], longAgo, 0))
  t.strictSame(statesIn(await keys(database, 'list')), ['expired', 'active'])
  t.strictSame(statesIn(await keys(database, 'rotate')), ['active', 'announced'])
})

t.test('what it cannot do is told in one sentence', async (t) => {
  const { database, file } = databaseIn(t)
  const missing = /^\S+, which holds the signing keys, is missing: restore .+`npx library keys create`.+\.$/
  t.match(await runKeys(database, 'list'), {
    code: 1,
    stdout: '',
    stderr: new RegExp(missing.source.replace('$', '\\n$'))
  })
  for (const command of ['list', 'rotate'])
    await t.rejects(keys(database, command), { name: 'KeysRefused', message: missing })
  t.strictSame(readdirSync(path.dirname(file)), [], 'and nothing is left behind')
  await keys(database, 'create')
  const text = readFileSync(file, 'utf8')
  await t.rejects(keys(database, 'create'), {
    name: 'KeysRefused',
    message: /^\S+ has signing keys already: use .+\.$/
  })
  t.equal(readFileSync(file, 'utf8'), text)
  writeFileSync(file, '{}')
  await t.rejects(keys(database, 'rotate'), {
    name: 'KeysRefused',
    message: /^\S+ does not hold signing keys.+\.$/
  })
  t.match(await runKeys('mysql://x/y', 'list'), { code: 1, stdout: '', stderr: /^DATABASE_URL is .+\.\n$/ })
})

t.test('what it does not understand is answered with its usage', async (t) => {
  const { database } = databaseIn(t)
  const usage = /usage: npx library keys list\|rotate \[--announce SECONDS\]\|create\|encrypt\|decrypt\n/
  for (const args of [['delete'], ['rotate', '--force']])
    t.match(await runKeys(database, ...args), { code: 2, stdout: '', stderr: usage }, args.join(' '))
  const cases = [
    [],
    ['list', 'rotate'],
    ['toString'],
    ['rotate', '--announce'],
    ['rotate', '--announce', 'soon'],
    ['rotate', '--announce=-1'],
    ['rotate', '--announce', '1.5'],
    ['rotate', '--announce', '99999999']
  ]
  for (const args of cases) await t.rejects(keys(database, ...args), { name: 'UsageError' }, args.join(' '))
  t.notOk(existsSync(`${database}.keys.json`))
})

t.test('rotations at the same time lose no key', async (t) => {
  const { database, read } = databaseIn(t)
  await keys(database, 'create')
  const rotations = await Promise.all(Array.from({ length: 6 }, () => runKeys(database, 'rotate')))
  t.strictSame([...new Set(rotations.map(({ code, stderr }) => `${code}${stderr}`))], ['0'])
  t.equal(new Set(read().map(({ kid }) => kid)).size, 7)
})

t.test('a rotation waits for another one, but not for one that was killed', async (t) => {
  const { database, file } = databaseIn(t)
  await keys(database, 'create')
  const script = `import { whileLocked } from './db/file-lock.ts'
    whileLocked(process.argv[1], () => { console.log('locked'); for (;;); })`
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', script, `${file}.lock`], {
    cwd: ROOT
  })
  t.teardown(() => holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  t.match(await runKeys(database, 'rotate'), {
    code: 1,
    stdout: '',
    stderr: /^\S+\.lock is held by another process: try again\.\n$/
  })
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  t.ok(existsSync(`${file}.lock`))
  t.strictSame(statesIn(await keys(database, 'rotate')), ['active', 'announced'])
})

t.test('a rotation on a full disk leaves the keys as they were, and no half file', async (t) => {
  const { database, file } = databaseIn(t)
  await keys(database, 'create')
  const text = readFileSync(file, 'utf8')
  const fullDisk = "unset NODE_OPTIONS NODE_V8_COVERAGE; trap '' XFSZ; ulimit -f 0"
  const command = `${fullDisk}; exec ${process.execPath} scripts/keys.ts rotate`
  t.match(await run('bash', [...WITHOUT_PROFILE, command], database), {
    code: 1,
    stdout: '',
    stderr: /library\.db\.keys\.json cannot be written \(EFBIG: .+\n$/
  })
  t.equal(readFileSync(file, 'utf8'), text)
  t.strictSame(readdirSync(path.dirname(file)).sort(), ['library.db.keys.json', 'library.db.keys.json.lock'])
})

t.test('with a key made by create a service whose key was lost starts again', async (t) => {
  const { database, file } = databaseIn(t)
  const server = await buildApp(t, { DATABASE_URL: database })
  const { headers } = await signIn(server)
  await server.close()
  rmSync(file)
  await t.rejects(buildApp(t, { DATABASE_URL: database }), { name: 'KeysRefused' })
  await keys(database, 'create')
  const again = await buildApp(t, { DATABASE_URL: database })
  t.equal((await again.inject({ url: '/me', headers })).statusCode, 401, 'everyone must log in again')
})
