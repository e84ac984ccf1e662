import path from 'node:path'
import { sql } from 'kysely'
import pg from 'pg'
import t from 'tap'
import { loadConfig } from '../../../config.ts'
import { openDatabase } from '../../../db/database.ts'
import { upkeepOf } from '../../../db/dialect.ts'
import { moveAll } from '../../../scripts/move/move-all.ts'
import { newDatabase, newEmptyDatabase } from '../../engines.ts'
import { AUTHOR, buildApp, openDirectly, signIn, temporaryFolder } from '../../helpers.ts'
import { HAS_PGBOUNCER, startPgBouncer } from './servers.ts'
import { playPrograms, World } from './world.ts'

const RUNS = 25
const context = { engine: 'postgres' }
const skip = HAS_PGBOUNCER ? false : 'PgBouncer is not installed'

t.test(
  'several instances by way of PgBouncer, which gives each transaction a connection',
  { context, skip },
  async (t) => {
    const url = await newDatabase(t)
    await playPrograms(t, await World.open(url, await startPgBouncer(t, url)), RUNS)
  }
)

t.test('in session mode nothing needs to be set', { context, skip }, async (t) => {
  const url = await newDatabase(t)
  const DATABASE_URL = await startPgBouncer(t, url, 'session')
  const one = await buildApp(t, { DATABASE_URL })
  const other = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(one)
  const waiting = other.changesFeed.waitFor(0, 10_000)
  const created = await one.inject({ method: 'POST', url: '/authors', headers, payload: AUTHOR })
  t.equal(created.statusCode, 201)
  t.ok(await waiting)
  const found = await other.inject({ url: created.headers.location as string, headers })
  t.strictSame(found.json(), created.json())
})

t.test('the service by way of PgBouncer', { context, skip }, async (t) => {
  const url = await newDatabase(t)
  const DATABASE_URL = await startPgBouncer(t, url)
  const one = await buildApp(t, { DATABASE_URL })
  const other = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(one)
  const waiting = other.changesFeed.waitFor(0, 10_000)
  const created = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      one.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, name: `Author ${i}` } })
    )
  )
  for (const { statusCode } of created) t.equal(statusCode, 201)
  t.ok(await waiting, 'the feed wakes up without notifications')
  const found = await Promise.all(
    created.map((response) => other.inject({ url: response.headers.location as string, headers }))
  )
  t.strictSame(
    found.map((response) => response.json()),
    created.map((response) => response.json())
  )
  const search = await other.inject({ url: '/authors?q=author&limit=100', headers })
  t.equal(search.json().data.length, 20)
  await one.inject({ method: 'POST', url: '/logout', headers })
  t.equal((await other.inject({ url: '/me', headers })).statusCode, 401)
  // Each transaction has another of its connections, and none of them keeps a lock.
  await Promise.all([1, 2, 3].map(async () => (await openDatabase(DATABASE_URL)).close()))
  const locks = await sql`select pid from pg_locks where locktype = 'advisory' and database =
    (select oid from pg_database where datname = current_database())`.execute(openDirectly(t, url))
  t.strictSame(locks.rows, [])
})

const linesOf = (count: number, book: string) =>
  Array.from({ length: count }, (_, i) => `${JSON.stringify({ name: `Writer ${book} ${i}`, book })}\n`).join(
    ''
  )

t.test('imports by way of PgBouncer, while others write', { context, skip }, async (t) => {
  const DATABASE_URL = await startPgBouncer(t, await newDatabase(t))
  const one = await buildApp(t, { DATABASE_URL })
  const other = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(one)
  const importing = (server: typeof one, query: string, payload: string) =>
    server.inject({
      method: 'POST',
      url: `/authors/import${query}`,
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      payload
    })
  const create = (i: number) =>
    other.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, name: `Author ${i}` } })
  const answers = await Promise.all([
    importing(one, '', linesOf(800, 'One')),
    importing(other, '', linesOf(500, 'Two')),
    importing(one, '?mode=partial', linesOf(100, 'Three')),
    ...Array.from({ length: 20 }, (_, i) => create(i))
  ])
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [200, 200, 200, ...Array.from({ length: 20 }, () => 201)]
  )
  t.match(answers[0]?.json(), { created: 800, refused: 0 })
  t.match((await importing(other, '', linesOf(800, 'One'))).json(), { created: 0, unchanged: 800 })
  t.match((await importing(other, '?dry_run=true', linesOf(5, 'Four'))).json(), { created: 5 })
  const page = await other.inject({ url: '/authors?q=writer&count=true&limit=1', headers })
  t.equal(page.json().total, 1400)
})

t.test('what the operator does by way of PgBouncer', { context, skip }, async (t) => {
  const direct = await newEmptyDatabase(t)
  const url = await startPgBouncer(t, direct)
  const [file, back] = [path.join(temporaryFolder(t), 'a.db'), path.join(temporaryFolder(t), 'b.db')]
  const service = await buildApp(t, { DATABASE_URL: file })
  const { headers } = await signIn(service)
  await service.inject({ method: 'POST', url: '/authors', headers, payload: AUTHOR })
  await service.close()
  const configOf = (DATABASE_URL: string) => loadConfig({ DATABASE_URL })
  const move = (from: string, to: string) =>
    moveAll({ from: configOf(from), to: configOf(to) }, { tell: () => {} })
  const moved = await move(file, url)
  t.match((await move(url, back)).tables, moved.tables)
  t.strictSame((await (await upkeepOf(url)).check()).faults, [])
  // What is set for the connection is set for whom the pooler gives it next.
  const client = new pg.Client(url.replace(/\?.*/, ''))
  await client.connect()
  const { rows } = await client.query(
    "select name from pg_settings where source = 'session' and name like '%timeout'"
  )
  t.strictSame(rows, [])
  await client.end()
  // It keeps its connections open, with the name of who had them last.
  await t.rejects(move(direct, path.join(temporaryFolder(t), 'c.db')), { message: /RECONNECT in PgBouncer/ })
})
