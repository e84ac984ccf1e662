/** Backups that the service makes by itself. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { listBackups, momentOf, nameOf } from '../../db/backups/folder.ts'
import { readManifest } from '../../db/backups/manifest.ts'
import { SeparateBackups } from '../../db/backups/separate.ts'
import { listen, startServer, temporaryFolder } from '../helpers.ts'
import { COVERED } from '../lean-children.ts'

const KEEP = { hourly: 24, daily: 7, weekly: 5 }

async function readyOf(url: string) {
  const answer = await fetch(`${url}/health/ready`)
  const { backups } = (await answer.json()) as { backups?: Record<string, string | null> }
  return { status: answer.status, backups }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20)
}

function eventsIn(output: string, name: string) {
  const lines = output.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line)).filter(({ event }) => event === name)
}

t.test('of several workers one makes a backup when it is due, and old ones go', async (t) => {
  const BACKUP_DIR = path.join(temporaryFolder(t), 'backups')
  const variables = { BACKUP_DIR, BACKUP_EVERY: '2', BACKUP_KEEP: 'hourly=1', WORKERS: '2' }
  const { output, child, exited } = await startServer(t, { ...variables, ...COVERED })
  await until(() => eventsIn(output(), 'backup_made').length >= 2)
  child.kill('SIGTERM')
  t.equal(await exited, 0)
  const made = eventsIn(output(), 'backup_made')
  const moments = made.map(({ folder }) => momentOf(path.basename(folder)).getTime())
  t.ok((moments[1] as number) >= (moments[0] as number) + 2000, 'not one for each worker')
  t.match(made[1], {
    level: 30,
    authors: 0,
    bytes: Number,
    ms: Number,
    deleted: [path.basename(made[0].folder)]
  })
  t.equal(listBackups(BACKUP_DIR).length, 1)
  t.notOk(
    readdirSync(BACKUP_DIR).some((name) => name.endsWith('.partial')),
    'one that was being made is deleted'
  )
  t.strictSame(eventsIn(output(), 'backup_failed'), [])
})

t.test('what was made and what failed is seen in the details of readiness', async (t) => {
  const folder = temporaryFolder(t)
  const BACKUP_DIR = path.join(folder, 'backups')
  writeFileSync(BACKUP_DIR, 'in the way')
  const failing = await listen(t, { BACKUP_DIR, BACKUP_EVERY: '1s' })
  await until(async () => (await readyOf(failing.url)).backups?.last_failed_at !== null)
  t.match(await readyOf(failing.url), {
    status: 200,
    backups: { last_verified_at: null, last_failed_at: /^\d{4}-.+Z$/ }
  })
  t.match(failing.server.backups.status()?.failure, { reason: /^Backups cannot be kept in / })
  const { server, url } = await listen(t, { BACKUP_DIR: path.join(folder, 'others'), BACKUP_EVERY: '1d' })
  await until(async () => typeof (await readyOf(url)).backups?.last_verified_at === 'string')
  const [name = ''] = listBackups(path.join(folder, 'others'))
  t.equal(readManifest(path.join(folder, 'others', name)).counts.users, 0)
  t.match(server.backups.status(), { lastAt: Date, failure: undefined })
})

t.test('a failure is seen by all who share the folder, until there is a backup', async (t) => {
  const folder = temporaryFolder(t)
  const BACKUP_DIR = path.join(folder, 'backups')
  mkdirSync(BACKUP_DIR)
  const failed = path.join(BACKUP_DIR, '.failed.json')
  writeFileSync(failed, JSON.stringify({ at: new Date().toISOString(), reason: 'the disk was full' }))
  const { url, server } = await listen(t, { BACKUP_DIR, BACKUP_EVERY: '1' })
  await until(async () => (await readyOf(url)).backups?.last_failed_at !== null)
  t.match(server.backups.status(), { failure: { reason: 'the disk was full' } })
  await until(async () => (await readyOf(url)).backups?.last_failed_at === null)
  t.notOk(existsSync(failed))
})

t.test('a failure is forgotten by the process that had it when another one makes a backup', async (t) => {
  const folder = temporaryFolder(t)
  const BACKUP_DIR = path.join(folder, 'backups')
  writeFileSync(BACKUP_DIR, 'in the way')
  const { url } = await listen(t, { BACKUP_DIR, BACKUP_EVERY: '2s' })
  await until(async () => (await readyOf(url)).backups?.last_failed_at !== null)
  rmSync(BACKUP_DIR)
  // As another process makes it; this one need not make any for years.
  mkdirSync(path.join(BACKUP_DIR, nameOf(new Date(Date.now() + 30_000))), { recursive: true })
  await until(async () => (await readyOf(url)).backups?.last_verified_at !== null)
  t.equal((await readyOf(url)).backups?.last_failed_at, null)
})

t.test('without a folder nothing is said of backups', async (t) => {
  const { url, server } = await listen(t)
  t.equal(server.backups.status(), undefined)
  t.match(await (await fetch(`${url}/health/ready`)).text(), '{"status":"ok"}')
})

t.test('a process that dies is a failure, and one that is ended is none', async (t) => {
  const order = (t: Test) => ({
    databaseUrl: path.join(temporaryFolder(t), 'none.db'),
    folder: temporaryFolder(t),
    version: '1.0.0',
    everyMs: 1000,
    keep: KEEP
  })
  const backups = new SeparateBackups()
  t.match(await backups.make(order(t)), { failed: /^There is no .+none\.db\.$/ })
  t.match(await backups.make({ ...order(t), keep: undefined as never, folder: undefined as never }), {
    failed: /TypeError/
  })
  const ended = backups.make(order(t))
  await backups.end(temporaryFolder(t))
  t.equal(await ended, 'not wanted')
  t.equal(await backups.make(order(t)), 'not wanted')
  await backups.end(temporaryFolder(t))
  const crashing = new SeparateBackups()
  // More than the system hands to a process.
  process.env.TOO_LARGE = 'x'.repeat(2 ** 22)
  const unstarted = await crashing.make(order(t)).finally(() => delete process.env.TOO_LARGE)
  t.match(unstarted, { failed: /E2BIG/ })
  const { NODE_OPTIONS = '' } = process.env
  t.teardown(() => Object.assign(process.env, { NODE_OPTIONS }))
  process.env.NODE_OPTIONS = `${NODE_OPTIONS} --import=data:text/javascript,process.exit(7)`
  t.match(await crashing.make(order(t)), { failed: 'its process ended with exit code 7' })
})
