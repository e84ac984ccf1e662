/** What the operator does with a database, beside what its commands print. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openDatabase } from '../../db/database.ts'
import { upkeepOf } from '../../db/dialect.ts'
import { BEGINNING } from '../../db/postgres/schema.ts'
import { asAdmin, ENGINES, newEmptyDatabase, test } from '../engines.ts'
import { openDirectly } from '../helpers.ts'

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
