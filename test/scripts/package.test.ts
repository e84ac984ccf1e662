/** What `npm pack` packs, as it is installed and run in a folder of its own. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { signIn } from '../../scripts/service-process.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)
const { bin, dependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
const UNSET = ['DATABASE_URL', 'NODE_OPTIONS', 'npm_command']
const variables = Object.fromEntries(Object.entries(process.env).filter(([name]) => !UNSET.includes(name)))

/** An otherwise empty folder with the package below node_modules, beside its dependencies and nothing else. */
async function installed(t: Test): Promise<string> {
  const folder = temporaryFolder(t)
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], {
    cwd: ROOT,
    env: variables
  })
  const modules = path.join(folder, 'node_modules')
  mkdirSync(modules)
  await run('tar', ['-xzf', path.join(folder, stdout.trim()), '-C', modules])
  renameSync(path.join(modules, 'package'), path.join(modules, 'library-api'))
  for (const name of Object.keys(dependencies)) {
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true })
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name))
  }
  return folder
}

interface Ready {
  backups: { last_verified_at: string | null; last_failed_at: string | null }
}

/** The service of this folder, once it listens. */
async function start(t: Test, folder: string) {
  const child = spawn(
    process.execPath,
    [path.join(folder, 'node_modules/library-api', bin.library), 'start'],
    {
      cwd: folder,
      env: { ...variables, PORT: '0', SPOOL_DIR: 'uploads', BACKUP_DIR: 'backups', WORKERS: '2' }
    }
  )
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  let output = ''
  const url = await new Promise<string>((resolve, reject) => {
    const read = (data: Buffer) => {
      output += data
      const address = /^Library API +(\S+)\n/m.exec(output)?.[1]
      if (address !== undefined) resolve(address)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    exited.then(() => reject(new Error(output)))
  })
  return { url, child, exited }
}

/** It is made by a process of its own. */
async function untilBackup(url: string): Promise<void> {
  for (;;) {
    const { backups } = (await (await fetch(`${url}/health/ready`)).json()) as Ready
    if (backups.last_failed_at !== null) throw new Error('no backup could be made')
    if (backups.last_verified_at !== null) return
  }
}

t.test('the package runs where it is installed, and keeps its data outside of node_modules', async (t) => {
  const folder = await installed(t)
  const package_ = path.join(folder, 'node_modules/library-api')
  const library = (...args: string[]) =>
    run(process.execPath, [path.join(package_, bin.library), ...args], { cwd: folder, env: variables })
  t.strictSame(globSync('**/*.{ts,map}', { cwd: package_ }), [], 'nothing that Node would not read there')

  const { stdout: usage } = await library('--help')
  const commands = [...usage.matchAll(/^ {2}([a-z]+)(?: ([a-z|]+) *(?= {2}|FILE))?/gm)].map(
    ([, name = '', uses = '']) => (name === 'db' ? `db ${uses.split('|')[0]}` : name)
  )
  t.ok(commands.length > 5)
  const told = commands.map(async (command) => (await library(...command.split(' '), '--help')).stdout)
  t.ok((await Promise.all(told)).every((text) => text.startsWith('usage: npx library ')))

  const { url, child, exited } = await start(t, folder)
  t.equal((await fetch(`${url}/docs/`)).status, 200)
  const headers = await signIn(url)
  const csv = 'name,book\nElif Shafak,The Island of Missing Trees\n'
  const imported = await fetch(`${url}/authors/import`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/csv' },
    body: csv
  })
  t.match(await imported.json(), { created: 1 }, 'threads of its own are there too')
  t.match((await library('seed', '--url', url)).stdout, /^60 authors created/m)
  const cwd = temporaryFolder(t)
  writeFileSync(path.join(cwd, 'data'), 'no folder, so that nothing can be kept in it')
  const again = await run(process.execPath, [path.join(package_, bin.library), 'seed', '--url', url], {
    cwd,
    env: variables
  })
  t.match(again.stdout, /^Registered .+\n0 authors created, 60 unchanged/)
  await untilBackup(url)
  child.kill('SIGTERM')
  t.equal((await exited)[0], 0)

  t.match(readdirSync(path.join(folder, 'data')), ['library.db', 'library.db.keys.json'])
  t.ok(existsSync(path.join(folder, 'data/seed-account.json')), 'and the account that was made')
  t.ok(existsSync(path.join(folder, 'uploads')), 'other relative paths begin there too')
  t.strictSame(globSync('{,dist/}{data,uploads,backups}', { cwd: package_ }), [])
  t.match((await library('verify', 'backups')).stdout, / is good: /)
  t.match((await library('db', 'check')).stdout, `${path.join(folder, 'data/library.db')} is sound`)
})
