/** Backups of a database on a server, with programs of its version: those of the package that the other tests use has none. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Tell } from '../../../db/backups/copies.ts'
import { backUp, restore, verify } from '../../../db/backups/index.ts'
import { readManifest, sealed } from '../../../db/backups/manifest.ts'
import { scratchName, withDatabase } from '../../../db/postgres/backups/scratch.ts'
import { ANNOUNCE_LONG_WORK, TRY_BACKUP_LOCK } from '../../../db/postgres/locks.ts'
import { readServerUrl } from '../../../db/postgres/server-url.ts'
import { startPostgres } from '../../../scripts/postgres-server.ts'
import { ENGINES } from '../../engines.ts'
import { AUTHOR, buildApp, signIn, temporaryFolder } from '../../helpers.ts'
import { POSTGRES_PROGRAMS } from '../../programs.ts'
import { freePort } from './servers.ts'

const silent = () => {}
const programs = POSTGRES_PROGRAMS
const options = {
  skip:
    (!ENGINES.includes('postgres') && 'only on a server') ||
    (programs === undefined &&
      'no folder has pg_dump and a server of its version: set TEST_POSTGRES_PROGRAMS')
}
const { PATH = '' } = process.env
const withPrograms = `${programs}:${PATH}`
const ROLE_PASSWORD = 'p@s:s/%?#'

let url: string
let admin: pg.Client

if (!options.skip) {
  t.before(async () => {
    const server = await startPostgres({ port: await freePort(), programs: programs as string })
    admin = new pg.Client(server.url)
    await admin.connect()
    t.teardown(async () => {
      await admin.end()
      await server.stop()
      rmSync(server.folder, { recursive: true, force: true })
    })
    url = withDatabase(server.url, 'library')
    await admin.query('create database library template template0')
  })
}

function inPath(t: Test, text: string): void {
  process.env.PATH = text
  t.teardown(() => Object.assign(process.env, { PATH }))
}

async function databases(): Promise<string[]> {
  const { rows } = await admin.query<{ datname: string }>(
    "select datname::text from pg_database where datname like 'library%' order by 1"
  )
  return rows.map(({ datname }) => datname)
}

async function make(databaseUrl: string, folder: string, tell: Tell = silent) {
  const made = await backUp(databaseUrl, { folder, version: '1.0.0', tell })
  return made as NonNullable<typeof made>
}

const restoreTo = (databaseUrl: string, folder: string) =>
  restore(databaseUrl, { folder, tell: silent, hear: silent })

async function refusalOf(databaseUrl: string, folder: string): Promise<string> {
  let refusal = 'good'
  await verify(databaseUrl, { folder, all: false, tell: silent }, (found) => {
    if (found instanceof Error) refusal = found.message
  })
  return refusal
}

async function booksIn(databaseUrl: string): Promise<string[]> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const { rows } = await client.query<{ slug: string }>('select slug from authors order by number')
  await client.end()
  return rows.map(({ slug }) => slug)
}

t.test('a backup is restored to the moment that it is of, and what was there is kept', options, async (t) => {
  inPath(t, withPrograms)
  const folder = temporaryFolder(t)
  const server = await buildApp(t, { DATABASE_URL: url })
  const { headers } = await signIn(server)
  const create = (book: string) =>
    server.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, name: book, book } })
  await create('Fury')
  await create('Shame')
  const { folder: backup, manifest } = await make(url, folder)
  t.match(manifest, {
    engine: 'postgres',
    counts: { authors: 2, changes: 2, users: 1, signing_keys: 1 },
    last_sequence: 2,
    files: [{ name: 'library.dump' }],
    verified_by: [/^it was restored to a database of its own/, /replayed against the authors$/]
  })
  await create('Grimus')
  t.equal(await refusalOf(url, folder), 'good')
  t.equal(await refusalOf('library.db', folder), 'good', 'also where there is no server')
  t.strictSame(await databases(), ['library'])
  await t.rejects(restoreTo(url, folder), {
    message: /is in use \(connections named library-api .+end the service/
  })
  await server.close()

  const { setAside, place } = await restoreTo(url, folder)
  t.match(setAside, /^library_before_\d{14}$/)
  t.match(place, /^postgres:\/\/library@127\.0\.0\.1:\d+\/library$/)
  t.strictSame(await booksIn(url), ['fury', 'shame'])
  t.strictSame(await booksIn(withDatabase(url, setAside as string)), ['fury', 'shame', 'grimus'])
  const again = await buildApp(t, { DATABASE_URL: url })
  t.equal((await again.inject({ url: '/me', headers })).statusCode, 200)
  await again.close()

  const other = await restoreTo(withDatabase(url, 'library other'), backup)
  t.equal(other.setAside, undefined)
  t.strictSame(await booksIn(withDatabase(url, 'library other')), ['fury', 'shame'])
  t.match(await databases(), ['library', 'library other', /^library_before/])
  await t.rejects(restoreTo(path.join(temporaryFolder(t), 'library.db'), backup), {
    message: /is of another engine \(postgres\).+`npx library move`/
  })
  const holder = new pg.Client(url)
  await holder.connect()
  await t.rejects(restoreTo(url, backup), {
    message: /is in use \(.+\): end what uses it, then try again\. Nothing/
  })
  await holder.end()

  const { checksum: _, ...rest } = readManifest(backup)
  const at = path.join(backup, 'manifest.json')
  const right = readFileSync(at)
  writeFileSync(at, sealed({ ...rest, counts: { ...rest.counts, authors: 3 } }))
  t.match(await refusalOf(url, backup), /it has 2 rows in authors, and should have 3/)
  writeFileSync(at, right)
  const dump = path.join(backup, 'library.dump')
  writeFileSync(dump, readFileSync(dump).subarray(1))
  t.match(await refusalOf(url, backup), /its library\.dump has \d+ bytes/)
  t.notOk(
    (await databases()).some((name) => /verify|restore_/.test(name)),
    'nothing is left'
  )
})

t.test('an import can be applied while a backup is made', options, async (t) => {
  inPath(t, withPrograms)
  const other = new pg.Client(url)
  await other.connect()
  t.teardown(() => other.end())
  let took: Promise<pg.QueryResult> | undefined
  await make(url, temporaryFolder(t), ({ step }) => {
    if (step === 'copying')
      took = other.query(`select ${ANNOUNCE_LONG_WORK.replace('pg_', 'pg_try_')} as took`)
  })
  t.match(await took, { rows: [{ took: true }] })
})

t.test('of several processes one makes a backup, and others say so', options, async (t) => {
  inPath(t, withPrograms)
  const holder = new pg.Client(url)
  await holder.connect()
  await holder.query('begin')
  await holder.query(`select ${TRY_BACKUP_LOCK}`)
  await t.rejects(make(url, temporaryFolder(t)), {
    name: 'DatabaseRefused',
    message: /^Another process makes a/
  })
  await holder.end()
})

t.test('a user who may not create databases', options, async (t) => {
  inPath(t, withPrograms)
  await admin.query(`create role clerk login password '${ROLE_PASSWORD}'`)
  await admin.query('create database library_clerk template template0 owner clerk')
  const { addresses } = readServerUrl(url)
  const own = `postgres://clerk:${encodeURIComponent(ROLE_PASSWORD)}@127.0.0.1:${addresses[0]?.port}/library_clerk`
  await (await buildApp(t, { DATABASE_URL: own })).close()
  const { folder, manifest } = await make(own, temporaryFolder(t))
  t.match(manifest.verified_by, [
    'the dump was read to its end, but not restored anywhere: this user may not create databases'
  ])
  await t.rejects(restoreTo(own, folder), {
    message: /^This user may not create databases, and postgres:\/\/clerk@\S+ is not an empty/
  })
  await admin.query('create database library_empty template template0 owner clerk')
  t.match(await restoreTo(withDatabase(own, 'library_empty'), folder), { setAside: undefined })
  t.strictSame(await booksIn(withDatabase(own, 'library_empty')), [])
  await admin.query('revoke connect on database postgres from public')
  const alone = await make(own, temporaryFolder(t))
  t.match(alone.manifest.verified_by, [
    /not restored anywhere: The database postgres .+permission denied for database/
  ])
})

t.test('what a killed verification has left behind is dropped a day later', options, async (t) => {
  inPath(t, withPrograms)
  const [old = '', recent = ''] = [25, 23].map((hours) =>
    scratchName('verify', Date.now() - hours * 3_600_000)
  )
  const others = [recent, 'library_verify', 'library_verify_1']
  for (const name of [old, ...others]) await admin.query(`create database ${name}`)
  t.teardown(async () => {
    for (const name of others) await admin.query(`drop database ${name}`)
  })
  await make(url, temporaryFolder(t))
  const left = await databases()
  t.strictSame(left.filter((name) => name.startsWith('library_verify')).sort(), others.sort())
})

t.test('programs that are missing or too old are named', options, async (t) => {
  const folder = temporaryFolder(t)
  const fake = path.join(folder, 'pg_dump')
  inPath(t, folder)
  await t.rejects(make(url, temporaryFolder(t)), {
    message:
      /^pg_dump is not in PATH: install the client programs of PostgreSQL, of the version of the server or a newer/
  })
  const say = (text: string) => writeFileSync(fake, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  say('echo "pg_dump (PostgreSQL) 9.6.24"')
  await t.rejects(make(url, temporaryFolder(t)), {
    message:
      /^pg_dump in PATH is of version 9, and the server of \d+: put the programs of PostgreSQL \d+ or newer first/
  })
  say(
    'case $1 in --version) echo "pg_dump (PostgreSQL) 99.1";; *) echo "no, says the disk" >&2; exit 1;; esac'
  )
  await t.rejects(make(url, temporaryFolder(t)), { message: 'pg_dump could not do it (no, says the disk).' })
  say('case $1 in --version) echo "pg_dump (PostgreSQL) 99.1";; *) kill -9 $$;; esac')
  await t.rejects(make(url, temporaryFolder(t)), { message: 'pg_dump could not do it (SIGKILL).' })
  chmodSync(fake, 0o600)
  mkdirSync(path.join(folder, 'x'))
  await t.rejects(make(url, temporaryFolder(t)), {
    message: /^pg_dump (is not in PATH|cannot be run \(.+EACCES\))/
  })
})
