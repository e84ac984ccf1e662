/** Point-in-time copies by Litestream, as docs/operations.md tells them, beside the service's own checkpoints. */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { backUp } from '../../db/backups/index.ts'
import { openDatabase } from '../../db/database.ts'
import { upkeepOf } from '../../db/dialect.ts'
import { signIn, startService } from '../../scripts/service-process.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const PACKAGED = path.join(ROOT, 'tools/litestream/node_modules/@flydotio/litestream-linux-x64/litestream')
const LITESTREAM = process.env.LITESTREAM ?? (existsSync(PACKAGED) ? PACKAGED : 'litestream')

function isThere(): boolean {
  try {
    execFileSync(LITESTREAM, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function idsIn(file: string): Promise<string[]> {
  const database = await openDatabase(file)
  const rows = await database.reads.selectFrom('authors').select('id').orderBy('number').execute()
  await database.close()
  return rows.map(({ id }) => id)
}

t.test(
  'what Litestream restores is sound, and lacks the last seconds at most',
  { skip: !isThere() && 'Litestream is not in PATH: set LITESTREAM to it' },
  async (t) => {
    const folder = temporaryFolder(t)
    const file = path.join(folder, 'library.db')
    const replica = `file://${path.join(folder, 'replica')}`
    const service = await startService(file, { RATE_LIMIT: 'off' })
    t.teardown(() => service.end('SIGKILL'))
    const litestream = spawn(LITESTREAM, ['replicate', file, replica], { stdio: 'ignore' })
    t.teardown(() => litestream.kill('SIGKILL'))
    const headers = await signIn(service.url)

    async function restored(): Promise<string | undefined> {
      const copy = path.join(folder, 'restored.db')
      for (const suffix of ['', '-wal', '-shm']) rmSync(copy + suffix, { force: true })
      const done = promisify(execFile)(LITESTREAM, ['restore', '-o', copy, replica])
      return done.then(
        () => copy,
        () => undefined
      )
    }

    /** Rows enough for a checkpoint of each kind: those after many changes, and the one after an import that cuts the log. */
    async function write(round: number): Promise<void> {
      const lines = Array.from({ length: 3000 }, (_, n) =>
        JSON.stringify({ name: `Author ${n}`, book: `${round}` })
      )
      const type = { ...headers, 'content-type': 'application/x-ndjson' }
      const imported = await fetch(`${service.url}/authors/import`, {
        method: 'POST',
        headers: type,
        body: lines.join('\n')
      })
      t.equal(imported.status, 200)
      for (let n = 0; n < 50; n++) {
        const body = JSON.stringify({ name: `Author of ${round}`, book: `${n}` })
        t.equal((await fetch(`${service.url}/authors`, { method: 'POST', headers, body })).status, 201)
      }
    }

    for (const round of [1, 2, 3]) await write(round)
    const acknowledged = 3 * 3050
    let copy: string | undefined
    for (let count = 0; count < acknowledged; await sleep(200)) {
      copy = await restored()
      count = copy === undefined ? 0 : (await idsIn(copy)).length
    }
    await write(4)
    await service.end('SIGKILL')
    litestream.kill('SIGKILL')
    t.ok(statSync(file).size > 0)
    copy = (await restored()) as string
    t.strictSame((await (await upkeepOf(copy)).check()).faults, [])
    const made = await backUp(copy, {
      folder: path.join(folder, 'backups'),
      version: '1.0.0',
      tell: () => {}
    })
    t.match(made?.manifest.verified_by, [/no signing keys/, /^all pages/, /replayed against the authors$/])
    const ids = await idsIn(copy)
    t.ok(ids.length >= acknowledged)
    t.strictSame(ids, (await idsIn(file)).slice(0, ids.length))
  }
)
