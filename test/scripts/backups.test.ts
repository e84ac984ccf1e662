/** `library backup`, `verify` and `restore`, beside a service that is in use, and after a disaster. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { restore } from '../../db/backups/index.ts'
import { readManifest } from '../../db/backups/manifest.ts'
import { openDatabase } from '../../db/database.ts'
import { WITHOUT_PROFILE } from '../../scripts/bash.ts'
import { type Headers, signIn, startService } from '../../scripts/service-process.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

interface Outcome {
  code: number
  stdout: string
  stderr: string
}

function library(DATABASE_URL: string, ...args: string[]): Promise<Outcome> {
  const options = { cwd: ROOT, env: { ...process.env, LOG_LEVEL: 'warn', DATABASE_URL } }
  return new Promise((resolve) => {
    execFile(process.execPath, ['bin/library.js', ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code as number), stdout, stderr })
    )
  })
}

const isBackup = (name: string) => /^library-[\d-]+T[\d-]+Z$/.test(name)
const backupsIn = (folder: string) => (existsSync(folder) ? readdirSync(folder).filter(isBackup) : [])

/** Clients that create authors one after the other until they are stopped, or the service is gone. */
class Load {
  /** What was acknowledged, and what was not created though the service was there. */
  readonly ids: string[] = []
  readonly refused: number[] = []
  #isStopped = false
  readonly #clients: Promise<void>[]

  constructor(url: string, headers: Headers, clients = 8) {
    this.#clients = Array.from({ length: clients }, (_, client) => this.#write(url, headers, client))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#clients)
  }

  async #write(url: string, headers: Headers, client: number): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const body = JSON.stringify({ name: `Author ${client}`, book: `Book ${n}`, note: 'x'.repeat(500) })
      try {
        const answer = await fetch(`${url}/authors`, { method: 'POST', headers, body })
        if (answer.status === 201) this.ids.push(((await answer.json()) as { id: string }).id)
        else this.refused.push(answer.status)
      } catch {
        return
      }
    }
  }
}

/** Numbers are those of the changes that created them: nothing else is done here. */
async function idsIn(file: string): Promise<string[]> {
  const database = await openDatabase(file)
  const rows = await database.reads.selectFrom('authors').select('id').orderBy('number').execute()
  await database.close()
  return rows.map(({ id }) => id)
}

t.test('a disaster: all is lost but the backups, and what comes back is all up to the last', async (t) => {
  const data = path.join(temporaryFolder(t), 'data')
  const file = path.join(data, 'library.db')
  const backups = path.join(temporaryFolder(t), 'backups')
  const service = await startService(file, { RATE_LIMIT: 'off' })
  t.teardown(() => service.end('SIGKILL'))
  const headers = await signIn(service.url)
  const load = new Load(service.url, headers)
  while (load.ids.length < 100) await fetch(`${service.url}/health/live`)
  const first = await library(file, 'backup', backups)
  t.match(first, { code: 0, stderr: '', stdout: /is made and good: [\d,]+ authors and 1 user as of \d{4}-/ })
  const before = load.ids.length
  const second = await library(file, 'backup', backups)
  t.match(second, { code: 0, stderr: '' })
  await t.rejects(restore(file, { folder: backups, tell: () => {}, hear: () => {} }), {
    message: /library\.db is in use by the process with the id \d+: end the service first/
  })
  const acknowledged = load.ids.length
  await service.end('SIGKILL')
  await load.stop()
  t.strictSame(load.refused, [], 'no write was refused meanwhile')
  const written = await idsIn(file)
  rmSync(data, { recursive: true })

  const restored = await library(file, 'restore', backups)
  t.match(restored, {
    code: 0,
    stderr: '',
    stdout: /is restored to \S+library\.db: .+\n.+Start the service: npx/
  })
  const [newest = ''] = backupsIn(backups).sort().reverse()
  const { last_sequence: last, counts } = readManifest(path.join(backups, newest))
  t.ok(
    last >= before && last < acknowledged,
    `${before} before, ${last} in the backup, ${acknowledged} at the end`
  )
  const again = await startService(file, { RATE_LIMIT: 'off' })
  t.teardown(() => again.end('SIGKILL'))
  t.equal(
    (await fetch(`${again.url}/me`, { headers })).status,
    200,
    'tokens are good, since the keys are back'
  )
  t.equal(counts.authors, last)
  const created = await fetch(`${again.url}/authors`, { method: 'POST', headers, body: '{"name":"After"}' })
  t.equal(created.status, 201)
  await again.end('SIGTERM')
  t.strictSame(
    (await idsIn(file)).slice(0, -1),
    written.slice(0, last),
    'just what came after the backup is lost'
  )
})

/** Makes a backup that is killed once this part of it is there; whether that was before its end. */
async function killedAt(part: string, file: string, backups: string): Promise<boolean> {
  const watcher = watch(backups, { recursive: true })
  const child = spawn(process.execPath, ['scripts/backup.ts', backups], {
    cwd: ROOT,
    env: { ...process.env, LOG_LEVEL: 'warn', DATABASE_URL: file }
  })
  watcher.on('change', (_event, name) => {
    if (String(name).endsWith(part)) child.kill('SIGKILL')
  })
  writeFileSync(`${file}.keys.json`, '{"keys":[{}]}', { mode: 0o600 })
  await once(child, 'close')
  watcher.close()
  return backupsIn(backups).length === 0
}

t.test(
  'a backup that is killed leaves nothing that looks good, and the next one takes it away',
  async (t) => {
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'library.db')
    await (await openDatabase(file)).close()
    const backups = path.join(folder, 'backups')
    mkdirSync(backups)
    for (const part of ['.partial', 'library.db', 'library.db.keys.json']) {
      // On a busy machine it may be made before it is killed.
      while (!(await killedAt(part, file, backups)))
        rmSync(path.join(backups, backupsIn(backups)[0] as string), { recursive: true })
      t.strictSame(backupsIn(backups), [], `killed at ${part}`)
    }
    t.match(await library(file, 'verify', backups), { code: 1, stdout: '', stderr: /has no backups/ })
    t.match(await library(file, 'restore', backups), { code: 1, stderr: /has no backups/ })
    t.match(await library(file, 'backup', backups), { code: 0, stderr: '' })
    t.equal(readdirSync(backups).filter((name) => name.endsWith('.partial')).length, 0)
    t.match(await library(file, 'verify', backups, '--all'), {
      code: 0,
      stderr: '',
      stdout: /is good: 0 authors/
    })
  }
)

t.test('on a full disk no backup is made, and none is left', async (t) => {
  const folder = temporaryFolder(t)
  const file = path.join(folder, 'library.db')
  const database = await openDatabase(file)
  await database.close()
  for (const blocks of [0, 64]) {
    const backups = path.join(folder, `backups-${blocks}`)
    const limits = `unset NODE_OPTIONS NODE_V8_COVERAGE; trap '' XFSZ; ulimit -f ${blocks}`
    const outcome = await new Promise<Outcome>((resolve) => {
      const command = `${limits}; exec ${process.execPath} scripts/backup.ts ${backups}`
      const options = { cwd: ROOT, env: { ...process.env, LOG_LEVEL: 'warn', DATABASE_URL: file } }
      execFile('bash', [...WITHOUT_PROFILE, command], options, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr })
      )
    })
    t.match(outcome, { code: 1, stderr: /cannot be (used|kept) .+\n$/ }, outcome.stderr)
    t.strictSame(readdirSync(backups), ['.lock'])
  }
})

t.test('where a sandbox forbids to lower it, a backup is made all the same', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  await (await openDatabase(file)).close()
  const forbidden = `import os from 'node:os'
    import { syncBuiltinESMExports } from 'node:module'
    os.setPriority = () => { throw Object.assign(new Error('not permitted'), { code: 'ERR_SYSTEM_ERROR' }) }
    syncBuiltinESMExports()`
  const { NODE_OPTIONS = '' } = process.env
  t.teardown(() => Object.assign(process.env, { NODE_OPTIONS }))
  process.env.NODE_OPTIONS = `${NODE_OPTIONS} --import=data:text/javascript,${encodeURIComponent(forbidden)}`
  t.match(await library(file, 'backup', path.join(temporaryFolder(t), 'backups')), { code: 0, stderr: '' })
})

t.test('the commands say what is wrong, and which folder they want', async (t) => {
  const folder = temporaryFolder(t)
  const file = path.join(folder, 'library.db')
  await (await openDatabase(file)).close()
  for (const command of ['backup', 'verify', 'restore']) {
    t.match(await library(file, command), {
      code: 2,
      stderr: /^Name a folder, or set BACKUP_DIR\.\nusage: npx/
    })
    t.match(await library(file, command, 'a', 'b'), {
      code: 2,
      stderr: /^Only one folder can be named\.\nusage:/
    })
  }
  const options = { BACKUP_DIR: path.join(folder, 'backups') }
  Object.assign(process.env, options)
  t.teardown(() => delete process.env.BACKUP_DIR)
  t.match(await library(file, 'backup'), { code: 0 })
  t.match(await library(file, 'restore'), {
    code: 0,
    stdout: /What was there is kept: \S+before-\S+Z\. Delete it/
  })
  rmSync(path.join(options.BACKUP_DIR, backupsIn(options.BACKUP_DIR)[0] as string, 'library.db'))
  t.match(await library(file, 'verify'), { code: 1, stderr: /is spoilt: its library\.db is missing\.\n$/ })
})

t.test(
  'a process that has given way by more than a backup would, and may not take it back, makes backups',
  async (t) => {
    const file = path.join(temporaryFolder(t), 'library.db')
    // The machine's first user could take it back.
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    const child = spawn('nice', ['-n', '19', process.execPath, 'bin/library.js', 'backup', tmpdir()], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL: file },
      stdio: ['ignore', 'ignore', 'pipe'],
      ...nobody
    })
    const closed = once(child, 'close')
    t.match(await text(child.stderr), new RegExp(`^There is no ${file}`))
    t.equal((await closed)[0], 1)
  }
)
