import { sql } from 'kysely'
import t from 'tap'
import { openDatabase } from '../../../db/database.ts'
import { DatabaseRefused } from '../../../db/dialect.ts'
import { whyUnfit } from '../../../db/postgres/upkeep/fitness.ts'
import { asAdmin, ENGINES, newEmptyDatabase } from '../../engines.ts'
import { openDirectly } from '../../helpers.ts'

const onServer = {
  skip: !ENGINES.includes('postgres') && 'only on a server',
  context: { engine: 'postgres' }
}

t.test('a server must be of version 14 or newer, and have a place for tables', async (t) => {
  const traits = {
    versionNumber: 140_000,
    version: '14.0',
    encoding: 'UTF8',
    database: 'books',
    schema: 'public',
    mayStage: true
  }
  t.equal(whyUnfit(traits), undefined)
  t.match(
    whyUnfit({ ...traits, versionNumber: 130_022, version: '13.22' }),
    /PostgreSQL 13\.22, but 14 or newer is needed/
  )
  t.match(whyUnfit({ ...traits, schema: null }), /books has no schema in which this user may have tables/)
})

t.test(
  'a database of another encoding is refused with how to make one that is right',
  onServer,
  async (t) => {
    const url = await newEmptyDatabase(t)
    const name = new URL(url).pathname.slice(1)
    await asAdmin(`drop database ${name}`)
    await asAdmin(`create database ${name} encoding 'LATIN1' template template0 locale 'C'`)
    await t.rejects(openDatabase(url), {
      name: 'DatabaseRefused',
      message: /has the encoding LATIN1, .+ `createdb --encoding=UTF8 --template=template0 --locale=C NAME`/
    })
  }
)

t.test(
  'a user who may not make temporary tables is refused with what gives the right',
  onServer,
  async (t) => {
    const url = new URL(await newEmptyDatabase(t))
    const name = url.pathname.slice(1)
    url.username = `${name}_user`
    await asAdmin(`create role ${url.username} login`)
    t.teardown(async () => {
      await asAdmin(`drop database if exists ${name} with (force)`)
      await asAdmin(`drop role ${url.username}`)
    })
    await asAdmin(`alter database ${name} owner to ${url.username}`)
    await asAdmin(`revoke temporary on database ${name} from public, ${url.username}`)
    await t.rejects(openDatabase(url.href), {
      name: 'DatabaseRefused',
      message: new RegExp(`as imports need: .grant temporary on database ${name} to`)
    })
    await asAdmin(`grant temporary on database ${name} to ${url.username}`)
    await (await openDatabase(url.href)).close()
  }
)

t.test('tables of another application are refused, and nothing is changed', onServer, async (t) => {
  const url = await newEmptyDatabase(t)
  const db = openDirectly(t, url)
  const tables = async () =>
    (await sql`select relname from pg_class where relnamespace = 'public'::regnamespace`.execute(db)).rows
  await sql`create table invoices (id integer)`.execute(db)
  const refused = {
    name: 'DatabaseRefused',
    message: /another application in the schema public \(invoices\); it was left untouched\. Make/
  }
  await t.rejects(openDatabase(url), refused)
  t.strictSame(await tables(), [{ relname: 'invoices' }])
  // One that uses Kysely too.
  await sql`create table kysely_migration (name text, timestamp text)`.execute(db)
  await sql`insert into kysely_migration values ('0001-invoices', '')`.execute(db)
  await sql`create view one as select 1`.execute(db)
  await sql`create table two (id integer)`.execute(db)
  await sql`create table zero (id integer)`.execute(db)
  const before = await tables()
  await t.rejects(openDatabase(url), { ...refused, message: /\(invoices, one, two and more\)/ })
  t.strictSame(await tables(), before)
})

t.test('tables of extensions, and of other schemas, are nobody’s concern', onServer, async (t) => {
  const url = await newEmptyDatabase(t)
  const db = openDirectly(t, url)
  await sql`create extension pg_buffercache`.execute(db)
  await sql`create schema other`.execute(db)
  await sql`create table other.kysely_migration (name text, timestamp text)`.execute(db)
  await sql`insert into other.kysely_migration values ('0001-invoices', '')`.execute(db)
  for (const _start of [1, 2]) await (await openDatabase(url)).close()
  await sql`create schema mine`.execute(db)
  await (await openDatabase(`${url}?options=-csearch_path%3Dmine`)).close()
  const { rows } = await sql`select from mine.authors`.execute(db)
  t.strictSame(rows, [])
  await t.rejects(openDatabase(`${url}?options=-csearch_path%3Dnone`), DatabaseRefused)
})

t.test('what a start that was killed has left behind is no foreign table', onServer, async (t) => {
  const url = await newEmptyDatabase(t)
  const db = openDirectly(t, url)
  await sql`create table kysely_migration (name varchar(255) primary key, timestamp varchar(255) not null)`.execute(
    db
  )
  await (await openDatabase(url)).close()
  const { rows } = await sql`select from authors`.execute(db)
  t.strictSame(rows, [])
})

t.test('rows that are asked for as a stream come', onServer, async (t) => {
  const db = openDirectly(t, await newEmptyDatabase(t))
  const rows: unknown[] = []
  for await (const row of db.selectFrom(sql`generate_series(1, 3)`.as('number')).selectAll().stream())
    rows.push(row)
  t.equal(rows.length, 3)
})
