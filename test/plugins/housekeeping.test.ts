import { setImmediate as turn } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { type Kysely, sql } from 'kysely'
import type { Test } from 'tap'
import { app, serverOptions } from '../../app.ts'
import { loadConfig } from '../../config.ts'
import { insertDeletion } from '../../db/account-deletions.ts'
import type { Tables } from '../../db/tables.ts'
import { numberOfUser } from '../../db/user-numbers.ts'
import { AgedCatalogue } from '../../scripts/growth/aged-catalogue.ts'
import { engineOf, newDatabase, test } from '../engines.ts'
import { AUTHOR, basic, buildApp, directly, numberOf, openDirectly, PASSWORD, signIn } from '../helpers.ts'

type Db = Kysely<Tables>

const DAY_MS = 86_400_000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString()
const numbers = (count: number) =>
  sql`with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < ${sql.lit(count)})`

interface Times {
  idle: string
  ended?: string
}

async function addSessions(db: Db, userId: string, name: string, count: number, { idle, ended }: Times) {
  await sql`${numbers(count)}
    insert into sessions (id, user_number, user_agent, created_at, last_used_at, idle_expires_at, expires_at, ended_at,
      family_hash, refresh_hash)
    select ${name} || i, ${numberOfUser(userId)}, ${name}, '2020', '2020', ${idle}, '2999-01-01T00:00:00.000Z', ${ended ?? null}, 'x', 'x'
    from numbers`.execute(db)
}

async function addAnswers(db: Db, userId: string, name: string, count: number, at: string) {
  await sql`${numbers(count)}
    insert into idempotency_keys (user_number, key, fingerprint, status, headers, created_at)
    select ${numberOfUser(userId)}, ${name} || i, '', 201, '{}', ${at} from numbers`.execute(db)
}

async function left(db: Db, table: 'sessions' | 'idempotency_keys', column: string) {
  const { rows } = await sql<{ name: string; n: number }>`
    select rtrim(${sql.ref(column)}, '0123456789') as name, count(*) as n
    from ${sql.table(table)} group by name order by name`.execute(db)
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]))
}

test('old sessions of all users are forgotten, and no others', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const [one, two] = [await signIn(server, 'one'), await signIn(server, 'two')]
  await db.deleteFrom('sessions').execute()
  await addSessions(db, one.id, 'ended long ago', 250, { idle: daysAgo(-5), ended: daysAgo(31) })
  await addSessions(db, two.id, 'idle for long', 250, { idle: daysAgo(31) })
  await addSessions(db, two.id, 'idle before it was ended', 1, { idle: daysAgo(31), ended: daysAgo(29) })
  await addSessions(db, one.id, 'ended lately', 3, { idle: daysAgo(-5), ended: daysAgo(29) })
  await addSessions(db, two.id, 'idle', 3, { idle: daysAgo(29) })
  await addSessions(db, two.id, 'alive', 3, { idle: daysAgo(-5) })
  await server.housekeeping.run()
  t.strictSame(await left(db, 'sessions', 'id'), { alive: 3, 'ended lately': 3, idle: 3 })
})

test('they are found without looking at those that are alive', async (t) => {
  const db = directly(t, await buildApp(t))
  const over = sql`(case when ended_at < idle_expires_at then ended_at else idle_expires_at end)`
  const isSqlite = engineOf(t) === 'sqlite'
  // Of a few rows it would look at all.
  if (!isSqlite)
    await sql`select set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false)`.execute(
      db
    )
  const explain = sql.raw(isSqlite ? 'explain query plan' : 'explain')
  const { rows } = await sql<object>`
    ${explain} select id from sessions where ${over} < '2020' order by ${over} limit 100`.execute(db)
  const plan = rows.map((row) => Object.values(row).at(-1)).join()
  t.match(
    plan,
    isSqlite ? /^SEARCH sessions USING INDEX sessions_over/ : /Index (Only )?Scan using sessions_over/
  )
})

test('a login leaves the old sessions of its user to the housekeeping', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const { id } = await signIn(server)
  await addSessions(db, id, 'old', 5, { idle: daysAgo(31) })
  const authorization = basic('salman', PASSWORD)
  await server.inject({ method: 'POST', url: '/login', headers: { authorization } })
  t.equal((await left(db, 'sessions', 'id')).old, 5)
})

test('answers are kept for a day', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const { id } = await signIn(server)
  await addAnswers(db, id, 'old', 450, daysAgo(1.01))
  await addAnswers(db, id, 'new', 5, daysAgo(0.99))
  await server.housekeeping.run()
  t.strictSame(await left(db, 'idempotency_keys', 'key'), { new: 5 })
})

test('others write while much is purged', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const { id, headers } = await signIn(server)
  await addSessions(db, id, 'old', 5000, { idle: daysAgo(31) })
  let isDone = false
  const purge = server.housekeeping.run().then(() => {
    isDone = true
  })
  const created = await server.inject({ method: 'POST', url: '/authors', headers, payload: AUTHOR })
  t.equal(created.statusCode, 201)
  t.notOk(isDone)
  await purge
  t.equal((await left(db, 'sessions', 'id')).old, undefined)
})

test('an end of the service in the middle of a purge is an end', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL })
  const db = openDirectly(t, DATABASE_URL)
  const { id } = await signIn(server)
  await addSessions(db, id, 'old', 5000, { idle: daysAgo(31) })
  const purge = server.housekeeping.run()
  await server.close()
  await purge
  t.ok(((await left(db, 'sessions', 'id')).old ?? 0) > 0)
})

/** The service, listening, with the lines of its log. */
async function listenLogging(
  t: Test,
  DATABASE_URL: string,
  variables: Record<string, string> = {}
): Promise<{ server: FastifyInstance; lines: string[] }> {
  const lines: string[] = []
  const config = { ...loadConfig({ DATABASE_URL, ...variables }), HOST: '127.0.0.1', PORT: 0 }
  const options = serverOptions(config)
  const logger = { ...(options.logger as object), stream: { write: (line: string) => void lines.push(line) } }
  const server = Fastify({ ...options, logger } as typeof options)
  t.teardown(() => server.close())
  await server.register(app, { config })
  await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, lines }
}

async function breakDeletionsOfUsers(t: Test, db: Kysely<Tables>): Promise<void> {
  if (engineOf(t) === 'sqlite') {
    await sql`create trigger broken before delete on users begin select raise(abort, 'broken'); end`.execute(
      db
    )
    return
  }
  await sql`create function broken() returns trigger language plpgsql as
    'begin raise exception ''broken''; end'`.execute(db)
  await sql`create trigger broken before delete on users for each row execute function broken()`.execute(db)
}

test('neither histories nor the rest wait for each other', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const before = await buildApp(t, { DATABASE_URL })
  const { id } = await signIn(before)
  await before.close()
  const db = openDirectly(t, DATABASE_URL)
  await addSessions(db, id, 'old', 5000, { idle: daysAgo(31) })
  const aged = await AgedCatalogue.open(DATABASE_URL, 9)
  const { id: authorId } = await aged.create({ name: 'Ama Ata Aidoo', book: 'Changes' })
  for (const note of ['a', 'b', 'c']) await aged.edit(authorId, note)
  await aged.close()
  await listenLogging(t, DATABASE_URL, { HISTORY_KEEP: '1d' })
  while ((await db.selectFrom('changes').select('version').execute()).length > 1) await turn()
  t.ok(((await left(db, 'sessions', 'id')).old ?? 0) > 0)
})

test('a chore that fails is logged, and the others are done all the same', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const before = await buildApp(t, { DATABASE_URL })
  const { id } = await signIn(before)
  const db = openDirectly(t, DATABASE_URL)
  await addSessions(db, id, 'old', 5, { idle: daysAgo(31) })
  await insertDeletion(db, { userId: id, actorNumber: await numberOf(db, id), at: daysAgo(0) })
  await breakDeletionsOfUsers(t, db)
  await addAnswers(db, id, 'old', 5, daysAgo(2))
  await before.close()
  const { lines } = await listenLogging(t, DATABASE_URL)
  while ((await left(db, 'sessions', 'id')).old !== undefined) await turn()
  const warning = lines
    .map((line) => JSON.parse(line))
    .find(({ msg }) => msg === 'housekeeping is tried again later')
  t.match(warning, { level: 40, err: { message: 'broken' } })
})
