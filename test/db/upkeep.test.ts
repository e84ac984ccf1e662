/** What the operator does with a database, beside what its commands print. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openDatabase } from '../../db/database.ts'
import { upkeepOf } from '../../db/dialect.ts'
import { tryLock } from '../../db/file-lock.ts'
import { BEGINNING } from '../../db/postgres/schema.ts'
import { refuseWithoutRoom } from '../../db/sqlite/upkeep/vacuum.ts'
import { asAdmin, ENGINES, engineOf, newDatabase, newEmptyDatabase, test } from '../engines.ts'
import { buildApp, firstPageOf, openDirectly, signIn, temporaryFolder } from '../helpers.ts'

const onServer = {
  skip: !ENGINES.includes('postgres') && 'only on a server',
  context: { engine: 'postgres' }
}

test('migrations are listed, done and done once, and those of a newer version are left alone', async (t) => {
  const url = await newEmptyDatabase(t)
  const upkeep = await upkeepOf(url)
  const pending = await upkeep.listMigrations()
  t.equal(pending[0]?.name, '0001-create-users')
  t.ok(pending.every(({ executedAt }) => executedAt === undefined))
  const all = pending.map(({ name }) => name)
  const applied = all.map((migration) => ({ direction: 'up', migration }))
  t.strictSame(await upkeep.migrateToLatest({}), applied)
  t.strictSame(await upkeep.migrateToLatest({}), [])
  t.ok((await upkeep.listMigrations()).every(({ executedAt }) => executedAt instanceof Date))
  t.match((await upkeep.check()).faults, [])
  await openDirectly(t, url)
    .withTables<{ kysely_migration: { name: string; timestamp: string } }>()
    .insertInto('kysely_migration')
    .values({ name: '9999-to-come', timestamp: '' })
    .execute()
  const refused = {
    name: 'DatabaseRefused',
    message: /the migration "9999-to-come", which this version does not know/
  }
  await t.rejects(upkeep.listMigrations(), refused)
  await t.rejects(upkeep.migrateToLatest({}), refused)
  await t.rejects(upkeep.migrateDown({}), refused)
})

t.test('of a file the last migration is undone, and done again', async (t) => {
  const upkeep = await upkeepOf(await newEmptyDatabase(t))
  const [last] = (await upkeep.migrateToLatest({})).slice(-1)
  t.strictSame(await upkeep.migrateDown({}), [{ ...last, direction: 'down' }])
  t.equal((await upkeep.listMigrations()).at(-1)?.executedAt, undefined)
  t.strictSame(await upkeep.migrateToLatest({}), [last])
})

test('nothing is undone under a service that runs', async (t) => {
  const url = await newDatabase(t)
  const upkeep = await upkeepOf(url)
  const isFile = engineOf(t) === 'sqlite'
  await upkeep.migrateToLatest({})
  // As its process does.
  const lock = isFile ? tryLock(`${url}.lock`) : undefined
  const server = await buildApp(t, { DATABASE_URL: url })
  await t.rejects(upkeep.migrateDown({}), { name: 'DatabaseRefused', message: /is in use/ })
  t.ok((await upkeep.listMigrations()).at(-1)?.executedAt)
  await server.close()
  lock?.release()
  t.equal((await upkeep.migrateDown({})).length, 1)
})

t.test('on a server nothing is undone that databases there begin with', onServer, async (t) => {
  const url = await newEmptyDatabase(t)
  const upkeep = await upkeepOf(url)
  t.strictSame(await upkeep.migrateDown({}), [], 'nothing of nothing')
  await (await openDatabase(url)).close()
  // Those that come later can be.
  const later = (await upkeep.listMigrations()).filter(({ name }) => name > BEGINNING)
  for (const _migration of later) await upkeep.migrateDown({})
  await t.rejects(upkeep.migrateDown({}), { message: /^With 0016-refold databases on PostgreSQL begin/ })
})

t.test('a check needs all tables, and says what it could not look at', onServer, async (t) => {
  const url = await newEmptyDatabase(t)
  await t.rejects((await upkeepOf(url)).check(), {
    name: 'DatabaseRefused',
    message:
      'The database lacks the migration "0001-create-users": run `npx library db migrate latest` first.'
  })
  const role = `library_test_${randomBytes(6).toString('hex')}`
  const database = new URL(url).pathname.slice(1)
  await asAdmin(`create role ${role} login`)
  t.teardown(async () => {
    await asAdmin(`drop database if exists ${database} with (force)`)
    await asAdmin(`drop role ${role}`)
  })
  await asAdmin(`alter database ${database} owner to ${role}`)
  const own = Object.assign(new URL(url), { username: role }).href
  await (await openDatabase(own)).close()
  const { faults, notes } = await (await upkeepOf(own)).check()
  t.strictSame(faults, [])
  t.match(notes, [
    '0 authors, their words and references, and 0 changes were compared',
    /^tables and indexes were not compared, since amcheck cannot be used \(permission denied .+`create extension amcheck`$/
  ])
})

const SECRET = 'Zxyqvut'

/** Takes most rows out of a database, and erases one. */
async function deleteMost(t: Test, url: string): Promise<void> {
  const server = await buildApp(t, { DATABASE_URL: url })
  const admin = await signIn(server)
  const db = openDirectly(t, url)
  await db.updateTable('users').set({ role: 'admin' }).execute()
  const { headers } = admin
  const payload = { name: `${SECRET} Name`, book: 'Kept Nowhere', note: SECRET.repeat(100) }
  await server.inject({ method: 'POST', url: '/authors', headers, payload })
  const rows = Array.from({ length: 1000 }, (_, number) =>
    JSON.stringify({ name: `Author ${number}`, note: 'x'.repeat(500) })
  )
  await server.inject({
    method: 'POST',
    url: '/authors/import',
    headers: { ...headers, 'content-type': 'application/x-ndjson' },
    payload: rows.join('\n')
  })
  await server.inject({ method: 'DELETE', url: '/authors/zxyqvut-name?purge=true', headers })
  await db.deleteFrom('authors').where('number', '>', 100).execute()
  await db.deleteFrom('changes').where('author_number', '>', 100).where('author_number', '<', 950).execute()
  await t.rejects(
    (await upkeepOf(url)).vacuum(() => {}),
    { name: 'DatabaseRefused', message: /is in use/ }
  )
}

test('a vacuum needs the database for itself, and leaves nothing of what was deleted', async (t) => {
  const url = await newDatabase(t)
  await t.test('most rows go', { context: t.context }, (t) => deleteMost(t, url))
  const isFile = engineOf(t) === 'sqlite'
  const upkeep = await upkeepOf(url)
  if (isFile) writeFileSync(`${url}-vacuum`, 'half of a copy')
  const steps: string[] = []
  const { before, after, notes } = await upkeep.vacuum((step) => steps.push(step))
  t.ok(after < (isFile ? 0.8 : 0.95) * before, `${before} bytes, then ${after}`)
  t.match(steps, [/^needs up to \d+ MB/, isFile ? 'words' : 'account_changes'])
  t.equal(notes.length, isFile ? 0 : 1)
  if (isFile) {
    t.notOk(readFileSync(url).toString('latin1').toLowerCase().includes(SECRET.toLowerCase()))
    t.strictSame(
      ['-wal', '-journal', '-vacuum', '-shm'].filter((suffix) => existsSync(url + suffix)),
      []
    )
    t.equal(statSync(url).mode & 0o777, 0o600)
    t.match((await upkeep.check()).faults, [])
  }
  const server = await buildApp(t, { DATABASE_URL: url })
  const { headers } = await signIn(server, 'afterwards')
  t.match((await server.inject({ url: '/authors?q=author&limit=1', headers })).json().data, [
    { name: 'Author 98' }
  ])
})

t.test('a vacuum tells of open transactions', onServer, async (t) => {
  const url = await newDatabase(t)
  const upkeep = await upkeepOf(url)
  const viewer = openDirectly(t, `${url}?application_name=psql`)
  await sql`begin isolation level repeatable read`.execute(viewer)
  await sql`select 1`.execute(viewer)
  t.match((await upkeep.vacuum(() => {})).notes, [
    /^What was deleted while a transaction was open may have stayed \(connections named psql tests\): end that/,
    /^The server keeps/
  ])
  await viewer.selectFrom('authors').select('number').execute()
  await t.rejects(
    upkeep.vacuum(() => {}),
    { name: 'DatabaseRefused', message: /lock timeout\)\. Something else has it locked, such as an open/ }
  )
  await sql`rollback`.execute(viewer)
  t.match((await upkeep.vacuum(() => {})).notes, [/^The server keeps/])
})

t.test('what cannot be vacuumed is left as it was', async (t) => {
  const missing = path.join(temporaryFolder(t), 'none.db')
  await t.rejects(
    (await upkeepOf(missing)).vacuum(() => {}),
    { message: `There is no ${missing}.` }
  )
  writeFileSync(missing, 'x'.repeat(5000))
  await t.rejects(
    (await upkeepOf(missing)).vacuum(() => {}),
    { message: /is not an SQLite database/ }
  )
  t.throws(() => refuseWithoutRoom('library.db', { needed: 2_000_001, free: 2_000_000 }), {
    message:
      'A copy of library.db may need 3 MB, and the disk has 2 MB left: make room, then try again. Nothing was changed.'
  })
  const empty = path.join(temporaryFolder(t), 'library.db')
  const upkeep = await upkeepOf(empty)
  await upkeep.listMigrations()
  t.ok((await upkeep.vacuum(() => {})).after > 0, 'also one without tables')
  await upkeep.migrateToLatest({})
  const damaged = readFileSync(empty)
  damaged.fill(0xff, ...firstPageOf(empty, 'authors'))
  writeFileSync(empty, damaged)
  await t.rejects(
    upkeep.vacuum(() => {}),
    { name: 'DatabaseRefused', message: /is damaged .*Restore it from a backup/ }
  )
  t.notOk(existsSync(`${empty}-vacuum`))
})
