/** What becomes of backups of a file: refused where they are spoilt, restored whole or not at all, and kept by their age. */
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { BackedUpFile, Progress } from '../../db/backups/copies.ts'
import { hashFiles } from '../../db/backups/files.ts'
import { listBackups, momentOf, nameOf, whileAlone } from '../../db/backups/folder.ts'
import { backUp, restore, verify } from '../../db/backups/index.ts'
import { prune, surplusOf } from '../../db/backups/keeping.ts'
import { type Manifest, readManifest, sealed } from '../../db/backups/manifest.ts'
import { giveWay } from '../../db/backups/priority.ts'
import { everyMsOf, keepOf } from '../../db/backups/settings.ts'
import { noteFailure, readState } from '../../db/backups/state.ts'
import { openDatabase } from '../../db/database.ts'
import { openMoveSource, upkeepOf } from '../../db/dialect.ts'
import { tryLock } from '../../db/file-lock.ts'
import { READY } from '../../db/sqlite/backups/finish-restore.ts'
import { openMigrated } from '../../db/sqlite/upkeep/migrating.ts'
import { AUTHOR, buildApp, signIn, temporaryFolder } from '../helpers.ts'

const silent = () => {}
const VERSION = '1.2.3'

async function make(file: string, folder: string) {
  const made = await backUp(file, { folder, version: VERSION, tell: silent })
  return made as NonNullable<typeof made>
}

/** Of one backup, or a folder of them: a sentence for each that is not good. */
async function refusalsOf(folder: string, all = false): Promise<string[]> {
  const found: string[] = []
  await verify('library.db', { folder, all, tell: silent }, (one) =>
    found.push(one instanceof Error ? one.message : 'good')
  )
  return found
}

const restoreTo = async (file: string, folder: string, hear: (refusal: string) => void = silent) =>
  restore(file, { folder, tell: silent, hear })

/** A database with something in it, closed, and a backup of it; each test spoils a copy. */
let file: string
let good: string

t.before(async () => {
  const folder = temporaryFolder(t)
  file = path.join(folder, 'library.db')
  const server = await buildApp(t, { DATABASE_URL: file })
  const { headers } = await signIn(server)
  for (const book of ['Fury', 'Shame', 'Grimus'])
    await server.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, book } })
  const { id } = (await server.inject({ url: '/authors?q=grimus', headers })).json().data[0]
  await server.inject({ method: 'DELETE', url: `/authors/${id}`, headers })
  await server.close()
  good = (await make(file, path.join(folder, 'backups'))).folder
})

function copyOf(t: Test, source = good): string {
  const folder = path.join(temporaryFolder(t), path.basename(source))
  cpSync(source, folder, { recursive: true })
  return folder
}

/** Writes a manifest that fits what was changed, so that the change itself must be found. */
async function reseal(folder: string, changes: Partial<Manifest> = {}): Promise<void> {
  const { checksum: _, ...manifest } = readManifest(folder)
  const names = manifest.files.map(({ name }) => name)
  const files = await hashFiles(folder, names, silent)
  writeFileSync(path.join(folder, 'manifest.json'), sealed({ ...manifest, files, ...changes }))
}

async function inCopy(folder: string, work: (database: Sqlite.Database) => void): Promise<void> {
  const database = new Sqlite(path.join(folder, 'library.db'))
  database.pragma('foreign_keys = 0')
  work(database)
  database.close()
  await reseal(folder)
}

t.test('a backup says what it is, is for its owner alone, and is good', async (t) => {
  const manifest = readManifest(good)
  t.match(manifest, {
    version: VERSION,
    counts: { authors: 2, changes: 4, users: 1 },
    last_sequence: 4,
    files: [{ name: 'library.db' }, { name: 'library.db.keys.json' }],
    verified_by: [/^all pages/, /replayed against the authors$/]
  })
  t.equal(statSync(good).mode & 0o777, 0o700)
  for (const name of readdirSync(good)) t.equal(statSync(path.join(good, name)).mode & 0o777, 0o600, name)
  t.strictSame(readdirSync(good).sort(), ['library.db', 'library.db.keys.json', 'manifest.json'])
  t.strictSame(readdirSync(path.dirname(good)).sort(), ['.lock', path.basename(good)])
  t.strictSame(await refusalsOf(good), ['good'])
  t.strictSame(readdirSync(good).length, 3, 'to look at it leaves nothing behind')
})

t.test('a copy that is spoilt is refused, and nothing is restored from it', async (t) => {
  const inManifest = (change: (text: string) => string) => (folder: string) => {
    const at = path.join(folder, 'manifest.json')
    writeFileSync(at, change(readFileSync(at, 'utf8')))
  }
  const ofFile = (name: string, change: (bytes: Buffer) => Buffer) => (folder: string) => {
    const at = path.join(folder, name)
    writeFileSync(at, change(readFileSync(at)))
  }
  const flipped = (bytes: Buffer) => {
    const index = bytes.length >> 1
    bytes[index] = (bytes[index] as number) ^ 1
    return bytes
  }
  const kinds: Record<string, [(folder: string) => unknown, RegExp]> = {
    'a byte': [ofFile('library.db', flipped), /its library\.db has another checksum, so it was changed/],
    'a byte of the keys': [
      ofFile('library.db.keys.json', flipped),
      /its library\.db\.keys\.json has another/
    ],
    'a byte less': [
      ofFile('library.db', (bytes) => bytes.subarray(1)),
      /its library\.db has \d+ bytes, and should have \d+\./
    ],
    'a file': [(folder) => rmSync(path.join(folder, 'library.db')), /its library\.db is missing\.$/],
    keys: [(folder) => rmSync(path.join(folder, 'library.db.keys.json')), /its \S+keys\.json is missing\.$/],
    'a folder in place of a file': [
      (folder) => {
        rmSync(path.join(folder, 'library.db'))
        mkdirSync(path.join(folder, 'library.db'))
      },
      /its library\.db is missing\.$/
    ],
    'the manifest': [
      (folder) => rmSync(path.join(folder, 'manifest.json')),
      /is no backup: it has no manifest\.json\.$/
    ],
    'a manifest that cannot be read': [
      (folder) => {
        rmSync(path.join(folder, 'manifest.json'))
        mkdirSync(path.join(folder, 'manifest.json'))
      },
      /is no backup: EISDIR/
    ],
    'half a manifest': [inManifest((text) => text.slice(0, 100)), /its manifest\.json is not what one/],
    'a count in the manifest': [
      inManifest((text) => text.replace('"authors": 2', '"authors": 3')),
      /its manifest\.json was changed after it was written/
    ],
    'a name that leads elsewhere': [
      inManifest((text) => text.replace('"library.db"', '"../library.db"')),
      /its manifest\.json is not what one/
    ],
    'a log that is not its own': [
      (folder) => writeFileSync(path.join(folder, 'library.db-wal'), ''),
      /it has a library\.db-wal, which is not of it/
    ],
    'a row': [
      (folder) => inCopy(folder, (database) => database.exec('delete from sessions')),
      /it has 0 rows in sessions, and should have 1/
    ],
    'an author': [
      (folder) => inCopy(folder, (database) => database.exec('delete from authors where number = 1')),
      /it has 1 rows in authors, and should have 2\.$/
    ],
    'an author, and another in its place': [
      (folder) =>
        inCopy(folder, (database) => database.exec('update authors set number = 7 where number = 1')),
      /its log does not lead to its authors: version 1 of the author with the number 1 is not there/
    ],
    'a table': [
      (folder) => inCopy(folder, (database) => database.exec('drop table changes')),
      /it has no rows in changes, and should have 4; it has 0 as its last change, and should have 4/
    ],
    'the last change': [
      (folder) =>
        inCopy(folder, (database) => database.exec('update changes set sequence = 9 where sequence = 4')),
      /it has 9 as its last change, and should have 4/
    ],
    'what a change says': [
      (folder) =>
        inCopy(folder, (database) => database.exec("update changes set at = 'x' where sequence = 2")),
      /its log does not lead to its authors: .*is not what the author says/
    ],
    'a user to whom others refer': [
      (folder) => inCopy(folder, (database) => database.exec('delete from users')),
      /row \d+ of \w+ refers to a row of users that is not there/
    ],
    'a page': [
      (folder) => {
        ofFile('library.db', (bytes) => bytes.fill(0xff, 2048 * 9, 2048 * 10))(folder)
        return reseal(folder)
      },
      /is spoilt: |is damaged/
    ],
    'no database': [
      (folder) => {
        ofFile('library.db', (bytes) => bytes.fill('x'))(folder)
        return reseal(folder)
      },
      /library\.db is damaged \(file is not a database\)/
    ],
    'a newer version': [
      (folder) => reseal(folder, { schema: '9999-to-come', version: '99.0.0' }),
      /was made by version 99\.0\.0 with the migration "9999-to-come", which this version does not know/
    ],
    'another engine': [
      (folder) => reseal(folder, { engine: 'abacus' }),
      /is of the engine abacus, which this version does not know/
    ]
  }
  const target = path.join(temporaryFolder(t), 'library.db')
  for (const [kind, [spoil, refusal]] of Object.entries(kinds)) {
    const folder = copyOf(t)
    await spoil(folder)
    t.match(await refusalsOf(folder), [refusal], kind)
    await t.rejects(restoreTo(target, folder), { name: 'DatabaseRefused', message: refusal }, kind)
  }
  t.notOk(existsSync(target))
})

t.test('where no backup is meant, that is said', async (t) => {
  const folder = temporaryFolder(t)
  await t.rejects(refusalsOf(path.join(folder, 'none')), {
    message: `There is no ${path.join(folder, 'none')}.`
  })
  await t.rejects(refusalsOf(folder), { message: /has no backups: name a folder that `npx library backup`/ })
  await t.rejects(refusalsOf(path.join(good, 'manifest.json')), {
    message: `${path.join(good, 'manifest.json')} is no folder: name that of a backup, or one with backups in it.`
  })
  const partial = `${copyOf(t)}.partial`
  mkdirSync(partial)
  await t.rejects(refusalsOf(partial), { message: /was cut short while it was made: take another backup/ })
})

t.test('of several, the newest that is good is restored', async (t) => {
  const folder = temporaryFolder(t)
  const names = ['2026-01-31T23-59-59Z', '2026-02-01T00-00-00Z', '2026-02-01T00-00-01Z'].map(
    (at) => `library-${at}`
  )
  for (const name of names) cpSync(good, path.join(folder, name), { recursive: true })
  rmSync(path.join(folder, names[2] as string, 'library.db'))
  mkdirSync(path.join(folder, 'library-2027-01-01T00-00-00Z.partial'))
  t.match(await refusalsOf(folder), [/is missing/], 'the newest is looked at')
  t.match(await refusalsOf(folder, true), [/is missing/, 'good', 'good'])
  const target = path.join(temporaryFolder(t), 'deep/library.db')
  const refusals: string[] = []
  const restored = await restoreTo(target, folder, (refusal) => refusals.push(refusal))
  t.equal(restored.folder, path.join(folder, names[1] as string))
  t.equal(restored.setAside, undefined)
  t.match(refusals, [/02-01T00-00-01Z is spoilt: its library\.db is missing/])
  for (const name of names) rmSync(path.join(folder, name, 'library.db'), { force: true })
  await t.rejects(restoreTo(target, folder), { message: `None of the 3 backups in ${folder} is good.` })
})

/** How many authors a database has. */
async function authorsIn(file: string): Promise<number> {
  const database = await openDatabase(file)
  const rows = await database.reads.selectFrom('authors').select('number').execute()
  await database.close()
  return rows.length
}

t.test('what was there is kept with its log, and can still be used', async (t) => {
  const folder = temporaryFolder(t)
  const target = path.join(folder, 'library.db')
  for (const suffix of ['', '.keys.json']) cpSync(file + suffix, target + suffix)
  // As a crash leaves it: the last commit is in the log alone.
  const crashed = path.join(temporaryFolder(t), 'library.db')
  const open = await openDatabase(target)
  for (const suffix of ['', '-wal', '-shm']) cpSync(target + suffix, crashed + suffix)
  await open.close()
  const first = await restoreTo(crashed, good)
  const second = await restoreTo(crashed, good)
  t.match(first.setAside, /library\.db\.before-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/)
  t.not(second.setAside, first.setAside)
  t.ok(existsSync(`${first.setAside}-wal`))
  t.ok(existsSync(`${second.setAside}.keys.json`))
  t.notOk(existsSync(`${crashed}-wal`))
  for (const each of [crashed, first.setAside as string]) t.equal(await authorsIn(each), 2)
  t.strictSame(
    readdirSync(path.dirname(crashed)).filter((name) => name.includes('restoring')),
    []
  )
})

t.test('where DATABASE_URL names a link, all is beside the file that it leads to', async (t) => {
  const [folder, disk] = [temporaryFolder(t), temporaryFolder(t)]
  const [link, real] = [path.join(folder, 'link.db'), path.join(disk, 'real.db')]
  const by = path.join(temporaryFolder(t), 'by')
  symlinkSync(folder, by)
  symlinkSync(path.relative(folder, real), link)
  const server = await buildApp(t, { DATABASE_URL: path.join(by, 'link.db') })
  const { headers } = await signIn(server)
  await server.close()
  const { folder: backup, manifest } = await make(link, path.join(disk, 'backups'))
  t.equal(manifest.files.length, 2, 'the keys are in it')
  for (const suffix of ['', '.keys.json']) rmSync(real + suffix)
  t.match(await restoreTo(link, backup), { place: real, setAside: undefined })
  const again = await buildApp(t, { DATABASE_URL: link })
  t.equal((await again.inject({ url: '/me', headers })).statusCode, 200)
  await again.close()
  t.strictSame(readdirSync(folder), ['link.db'])
  writeFileSync(`${link}.keys.json`, 'of an older version')
  await t.rejects(buildApp(t, { DATABASE_URL: link }), {
    message:
      /link\.db is a link to .+real\.db, but .+link\.db\.keys\.json is beside the link: move it to .+real\.db\.keys\.json\.$/
  })
})

t.test('a restore leaves all as it was when it fails', async (t) => {
  const target = path.join(temporaryFolder(t), 'library.db')
  writeFileSync(target, 'what was there')
  let copied = 0
  const tell = ({ step }: { step: string }) => {
    if (step === 'copying' && ++copied === 2) throw new Error('enough')
  }
  await t.rejects(restore(target, { folder: good, tell, hear: silent }), { message: 'enough' })
  t.equal(readFileSync(target, 'utf8'), 'what was there')
  t.strictSame(readdirSync(path.dirname(target)).sort(), ['library.db', 'library.db.lock'])
  const changing = copyOf(t)
  const change = ({ step }: { step: string }) => {
    if (step === 'replaying the log') writeFileSync(path.join(changing, 'library.db'), 'x')
  }
  await t.rejects(restore(target, { folder: changing, tell: change, hear: silent }), {
    message: /was changed while it was copied/
  })
  t.equal(readFileSync(target, 'utf8'), 'what was there')
  await t.rejects(restoreTo(path.dirname(target), good), { message: /is no file: set DATABASE_URL to one/ })
  await t.rejects(restoreTo(path.join(target, 'below'), good), { message: /ENOTDIR|EEXIST/ })
  await t.rejects(restoreTo('/proc/none/library.db', good), { message: /cannot be used/ })
  const { files } = readManifest(good)
  const huge = copyOf(t)
  const { restoreFile } = await import('../../db/sqlite/backups/restoring.ts')
  const tooMuch = [{ ...(files[0] as BackedUpFile), bytes: 2 ** 53 }]
  await t.rejects(restoreFile(target, { folder: huge, files: tooMuch, tell: silent }), {
    message: /The backup needs \d+ MB beside .+, and its disk has \d+ MB left: make room/
  })
})

t.test('a restore that is cut short after all lay ready is ended by who opens the file', async (t) => {
  for (const moved of [[], ['library.db'], ['library.db', 'library.db.keys.json']]) {
    const folder = temporaryFolder(t)
    const target = path.join(folder, 'library.db')
    writeFileSync(target, 'the old one, damaged')
    for (const suffix of ['-wal', '.keys.json']) writeFileSync(target + suffix, 'old')
    cpSync(good, target + READY, { recursive: true })
    writeFileSync(path.join(target + READY, 'aside'), 'before-then')
    for (const name of moved) {
      for (const suffix of name === 'library.db' ? ['-wal', ''] : [''])
        renameSync(path.join(folder, name + suffix), path.join(folder, `old-${name}${suffix}`))
      renameSync(path.join(target + READY, name), path.join(folder, name))
    }
    const link = path.join(temporaryFolder(t), 'link.db')
    symlinkSync(target, link)
    t.equal(await authorsIn(link), 2, `${moved.length} moved before`)
    t.notOk(existsSync(target + READY))
    if (moved.length === 0)
      for (const suffix of ['', '-wal', '.keys.json'])
        t.ok(existsSync(`${target}.before-then${suffix}`), `the old ${suffix} is kept`)
  }
  const folder = temporaryFolder(t)
  mkdirSync(path.join(folder, `library.db${READY}`))
  t.equal(await authorsIn(path.join(folder, 'library.db')), 0, 'one that was ended but for its folder')
  t.notOk(existsSync(path.join(folder, `library.db${READY}`)))
})

t.test(
  "what is left of one that was ended is in nobody's way, and one that cannot be ended is told",
  async (t) => {
    const target = path.join(temporaryFolder(t), 'library.db')
    cpSync(good, `${target}.restoring-done`, { recursive: true })
    mkdirSync(path.join(target + READY, 'lock'), { recursive: true })
    writeFileSync(path.join(target + READY, 'aside'), 'before-then')
    await t.rejects(openDatabase(target), { name: 'DatabaseRefused', message: /cannot be used \(EISDIR/ })
    rmSync(path.join(target + READY, 'lock'), { recursive: true })
    cpSync(good, target + READY, { recursive: true })
    t.equal(await authorsIn(target), 2)
    t.strictSame(
      readdirSync(path.dirname(target)).filter((name) => name.includes('restoring')),
      []
    )
  }
)

t.test('and also by each command that the operator runs next', async (t) => {
  const commands: Record<string, (file: string) => Promise<unknown>> = {
    backup: async (file) => t.equal((await make(file, temporaryFolder(t))).manifest.counts.authors, 2),
    check: async (file) => t.strictSame((await (await upkeepOf(file)).check()).faults, []),
    vacuum: async (file) => (await upkeepOf(file)).vacuum(silent),
    move: async (file) => (await openMoveSource(file)).close()
  }
  for (const [name, command] of Object.entries(commands)) {
    const target = path.join(temporaryFolder(t), 'library.db')
    cpSync(good, target + READY, { recursive: true })
    writeFileSync(path.join(target + READY, 'aside'), 'before-then')
    await command(target)
    t.notOk(existsSync(target + READY), name)
    t.equal(await authorsIn(target), 2, name)
  }
})

t.test('a backup of an older version is restored, and the next start migrates it', async (t) => {
  const old = path.join(temporaryFolder(t), 'library.db')
  const { connection } = await openMigrated(old, {}, { upTo: '0015-people' })
  connection.close()
  const { folder, manifest } = await make(old, temporaryFolder(t))
  t.match(manifest, {
    schema: '0015-people',
    verified_by: [/no signing keys were there/, /^all/, /not replayed/]
  })
  const target = path.join(temporaryFolder(t), 'library.db')
  await restoreTo(target, folder)
  t.equal(await authorsIn(target), 0)
  const database = new Sqlite(target)
  t.equal(database.prepare('select max(name) > ? from kysely_migration').pluck().get('0015-people'), 1)
  database.close()
})

t.test('what cannot be backed up is told, and leaves nothing behind', async (t) => {
  const folder = temporaryFolder(t)
  const databases = temporaryFolder(t)
  const at = (name: string) => path.join(databases, name)
  const madeBy = (name: string, work: (database: Sqlite.Database) => void) => {
    cpSync(file, at(name))
    const database = new Sqlite(at(name))
    work(database)
    database.close()
    return at(name)
  }
  const newer = madeBy('newer.db', (database) =>
    database.exec("insert into kysely_migration values ('9999-to-come', '')")
  )
  const unsound = madeBy('unsound.db', (database) => database.exec('delete from changes where sequence = 1'))
  const halfMoved = madeBy('moved.db', (database) =>
    database.exec("create table move_progress as select 'x' as source")
  )
  const damaged = at('damaged.db')
  const bytes = readFileSync(file)
  writeFileSync(damaged, bytes.fill(0xff, 2048 * 2))
  new Sqlite(at('empty.db')).exec('create table x (y)').close()
  const cases: [string, RegExp][] = [
    [at('none.db'), /^There is no /],
    [newer, /has the migration "9999-to-come".+: back it up with the newer version/],
    [at('empty.db'), /has no tables yet: there is nothing to back up/],
    [halfMoved, /is half moved/],
    [unsound, /^The backup is not good, and was not kept: .+Run `npx library db check`/],
    [damaged, /damaged/]
  ]
  for (const [name, message] of cases)
    await t.rejects(make(name, folder), { name: 'DatabaseRefused', message }, name)
  const keyless = madeBy('keyless.db', () => {})
  for (const text of ['', '{}', '{"keys":[]}', 'null']) {
    writeFileSync(`${keyless}.keys.json`, text)
    await t.rejects(
      make(keyless, folder),
      { message: /keyless\.db\.keys\.json does not hold signing keys/ },
      text
    )
  }
  t.strictSame(readdirSync(folder), ['.lock'])
  await t.rejects(make(file, '/proc/none'), { message: /^Backups cannot be kept in \/proc\/none \(/ })
  await t.rejects(make(file, file), {
    message: /^Backups cannot be kept in .+ \(E\w+: .+this user may read and write there/
  })
})

t.test('a larger copy is made in parts, each of which is on the disk before the next', async (t) => {
  const larger = path.join(temporaryFolder(t), 'library.db')
  cpSync(file, larger)
  const database = new Sqlite(larger)
  database.exec('create table ballast as select zeroblob(20000000) as bytes')
  database.close()
  const done = new Set<number>()
  const tell = (progress: Progress) => progress.step === 'copying' && done.add(progress.done)
  const made = await backUp(larger, { folder: temporaryFolder(t), version: VERSION, tell })
  t.ok((made?.bytes ?? 0) > 20_000_000)
  t.ok(done.size > 30)
})

t.test('one process at a time makes a backup in a folder, and only where it is wanted', async (t) => {
  const folder = temporaryFolder(t)
  mkdirSync(path.join(folder, 'library-2026-01-01T00-00-00Z.partial'))
  mkdirSync(path.join(folder, 'other.partial'))
  const lock = tryLock(path.join(folder, '.lock'))
  t.equal(await make(file, folder), undefined)
  lock?.release()
  t.equal(
    await backUp(file, { folder, version: VERSION, tell: silent, isWanted: async () => false }),
    undefined
  )
  const first = await make(file, folder)
  const second = await make(file, folder)
  t.not(first.folder, second.folder, 'also within a second')
  t.strictSame(
    readdirSync(folder).sort(),
    ['.lock', path.basename(first.folder), path.basename(second.folder), 'other.partial'].sort()
  )
  t.equal(await whileAlone(folder, async () => 7), 7)
})

t.test('backups are kept by their age', async (t) => {
  const at = (text: string) => ({ folder: text, at: new Date(text) })
  const surplus = (texts: string[], keep: string) =>
    surplusOf(texts.map(at), keepOf({ BACKUP_KEEP: keep })).map(({ folder }) => folder)
  const hours = ['2026-03-01T10:05Z', '2026-03-01T10:45Z', '2026-03-01T11:00Z', '2026-02-20T01:00Z']
  t.strictSame(surplus(hours, 'hourly=2'), ['2026-03-01T10:05Z', '2026-02-20T01:00Z'])
  t.strictSame(surplus(hours, 'hourly=3'), ['2026-03-01T10:05Z'], 'hours without any do not count')
  t.strictSame(surplus(hours, 'daily=2'), ['2026-03-01T10:45Z', '2026-03-01T10:05Z'])
  const weeks = ['2026-03-01T23:59Z', '2026-03-02T00:00Z', '2026-02-23T00:00Z', '2026-02-22T23:00Z']
  t.strictSame(
    surplus(weeks, 'weekly=2'),
    ['2026-02-23T00:00Z', '2026-02-22T23:00Z'],
    'a week begins on Monday'
  )
  t.strictSame(surplus(weeks, 'daily=0'), weeks.toSorted().reverse().slice(1), 'the newest stays')
  const sixtyDays = 60 * 24
  const all = Array.from({ length: sixtyDays }, (_, hour) =>
    new Date(Date.UTC(2020, 0, 1, hour)).toISOString()
  )
  t.equal(
    sixtyDays - surplus(all, 'hourly=24,daily=7,weekly=5').length,
    24 + 6 + 3,
    'one may count for its hour, its day and its week'
  )
  const folder = temporaryFolder(t)
  for (const day of ['01', '02', '03']) {
    const name = path.join(folder, nameOf(new Date(`2026-01-${day}`)))
    cpSync(good, name, { recursive: true })
    await reseal(name, { made_at: `2026-01-${day}T00:00:00.000Z` })
  }
  mkdirSync(path.join(folder, 'library-2025-01-01T00-00-00Z'))
  t.strictSame(prune(folder, keepOf({ BACKUP_KEEP: 'daily=2' })), ['library-2026-01-01T00-00-00Z'])
  t.strictSame(listBackups(folder).at(-1), 'library-2025-01-01T00-00-00Z', 'what is no backup is left alone')
})

t.test(
  'a backup that is to go loses its name first, so that half of it is never taken for one',
  async (t) => {
    const folder = temporaryFolder(t)
    const [old = '', last = ''] = ['01', '02'].map((day) => nameOf(new Date(`2026-01-${day}`)))
    for (const [name, made_at] of [
      [old, '2026-01-01T00:00:00.000Z'],
      [last, '2026-01-02T00:00:00.000Z']
    ] as const) {
      cpSync(good, path.join(folder, name), { recursive: true })
      await reseal(path.join(folder, name), { made_at })
    }
    const watcher = watch(folder)
    t.teardown(() => watcher.close())
    t.strictSame(prune(folder, keepOf({ BACKUP_KEEP: 'daily=1' })), [old])
    t.match(await once(watcher, 'change'), ['rename', old])
    t.match(await once(watcher, 'change'), ['rename', `${old}.partial`])
    t.strictSame(readdirSync(folder), [last])
  }
)

t.test('what a clock that was ahead has made counts for nothing until its time comes', async (t) => {
  const folder = temporaryFolder(t)
  const ahead = 'library-2999-01-01T00-00-00Z'
  cpSync(good, path.join(folder, ahead), { recursive: true })
  await reseal(path.join(folder, ahead), { made_at: '2999-01-01T00:00:00.000Z' })
  t.equal((await readState(folder)).lastAt, undefined, 'the next one is not put off')
  const { folder: made } = await make(file, folder)
  t.strictSame(prune(folder, keepOf({ BACKUP_KEEP: 'hourly=1' })), [], 'and is the last of its hour')
  t.strictSame((await readState(folder)).lastAt, momentOf(path.basename(made)))
  const refusal = { message: /2999-01-01T00-00-00Z is of a time that is still to come.+name the backup/ }
  await t.rejects(restoreTo(path.join(temporaryFolder(t), 'library.db'), folder), refusal)
  await t.rejects(refusalsOf(folder), refusal)
  t.strictSame(await refusalsOf(folder, true), ['good', 'good'])
  t.strictSame(await refusalsOf(path.join(folder, ahead)), ['good'])
})

t.test('a failure counts until there is a backup that began after it', async (t) => {
  const folder = temporaryFolder(t)
  const lastAt = new Date('2026-01-02T03:04:05Z')
  mkdirSync(path.join(folder, nameOf(lastAt)))
  mkdirSync(path.join(folder, 'library-2026-13-41T00-00-00Z'))
  const failed = (at: string) => ({ at: new Date(at), reason: 'the disk was full' })
  for (const [at, isSeen] of [
    ['2026-01-02T03:04:04Z', false],
    ['2026-01-02T03:04:06Z', true],
    ['2999-01-01T00:00:00Z', false]
  ] as const) {
    await noteFailure(folder, failed(at))
    t.strictSame(await readState(folder), { lastAt, failure: isSeen ? failed(at) : undefined }, at)
  }
})

t.test('what the settings mean', async (t) => {
  const everyMs = (BACKUP_EVERY: string) => everyMsOf({ BACKUP_EVERY })
  t.strictSame(
    ['90', '90s', '2m', '6h', '1d'].map(everyMs),
    [90_000, 90_000, 120_000, 21_600_000, 86_400_000]
  )
  t.strictSame(keepOf({ BACKUP_KEEP: 'weekly=3, hourly=1' }), { hourly: 1, daily: 0, weekly: 3 })
})

t.test('who may not give way goes on as it is', async (t) => {
  const { getPriority, setPriority } = os
  const replace = (functions: Partial<typeof os>) => {
    Object.assign(os, functions)
    syncBuiltinESMExports()
  }
  t.teardown(() => replace({ getPriority, setPriority }))
  let asked = 0
  const forbid = () => {
    asked += 1
    throw new Error('operation not permitted')
  }
  replace({ getPriority: () => 0, setPriority: forbid })
  giveWay('copying')
  giveWay('verifying')
  t.equal(asked, 2)
})
