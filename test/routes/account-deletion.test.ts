import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { type Kysely, sql } from 'kysely'
import type { Test } from 'tap'
import { insertDeletion, retireUser } from '../../db/account-deletions.ts'
import type { Tables } from '../../db/tables.ts'
import { numberOfUser } from '../../db/user-numbers.ts'
import { unsoundnessOf } from '../../scripts/crash/soundness.ts'
import { newDatabase, test } from '../engines.ts'
import {
  AUTHOR,
  basic,
  buildApp,
  directly,
  listen,
  numberOf,
  openDirectly,
  PASSWORD,
  signIn,
  startServer
} from '../helpers.ts'

type Db = Kysely<Tables>

const numbers = (count: number) =>
  sql`with recursive numbers (i) as (select 1 union all select i + 1 from numbers where i < ${sql.lit(count)})`

/** As many authors of a user as it says, each with its record and its place in the log. */
async function addAuthors(db: Db, ownerId: string, count: number): Promise<void> {
  await sql`${numbers(count)}
    insert into authors (number, id, slug, booker_prize, owner_number, version, updated_at, name_key, book_key, record)
    select (select coalesce(max(sequence), 0) from changes) + i, id || i, id || i, 0, number, 1, created_at, id || i, 'book',
      '{"id":"' || id || i || '","slug":"' || id || i || '","name":"' || id || i || '","book":"Book","country":"Nowhere","owner_id":"' || id ||
        '","version":1,"created_at":"' || created_at || '","updated_at":"' || created_at || '"}'
    from users, numbers where id = ${ownerId}`.execute(db)
  await sql`
    insert into changes (sequence, author_number, version, actor_number, at, operation)
    select number, number, 1, owner_number, updated_at, 'created' from authors
    where owner_number = ${numberOfUser(ownerId)}`.execute(db)
}

/** Sessions, keys and kept answers of a user: more than a slice takes of each. */
async function addTraces(db: Db, userId: string, count: number): Promise<void> {
  await sql`${numbers(count)}
    insert into sessions (id, user_number, created_at, last_used_at, idle_expires_at, expires_at, family_hash, refresh_hash)
    select ${userId} || i, user_number, created_at, last_used_at, idle_expires_at, expires_at, family_hash, refresh_hash
    from numbers, (select * from sessions where user_number = ${numberOfUser(userId)} limit 1)`.execute(db)
  await sql`${numbers(count)}
    insert into api_keys (id, user_number, name, scope, key_hash, created_at)
    select ${userId} || i, ${numberOfUser(userId)}, 'k', 'read', ${userId} || i, '' from numbers`.execute(db)
  await sql`${numbers(count)}
    insert into idempotency_keys (user_number, key, fingerprint, status, headers, created_at)
    select ${numberOfUser(userId)}, 'k' || i, '', 201, '{}', '2999' from numbers`.execute(db)
}

async function count(db: Db, table: keyof Tables, column: string, value: string | number | null) {
  const { rows } = await sql<{ n: number }>`
    select count(*) as n from ${sql.table(table)} where ${sql.ref(column)} is not distinct from ${value}`.execute(
    db
  )
  return rows[0]?.n as number
}

/** What is left in the database of a user. */
async function traces(db: Db, userId: string) {
  const number = await numberEver(db, userId)
  return {
    users: await count(db, 'users', 'id', userId),
    authors: await count(db, 'authors', 'owner_number', number),
    records: await countRecordsOf(db, userId),
    sessions: await count(db, 'sessions', 'user_number', number),
    api_keys: await count(db, 'api_keys', 'user_number', number),
    idempotency_keys: await count(db, 'idempotency_keys', 'user_number', number),
    password_resets: await count(db, 'password_resets', 'user_number', number),
    account_deletions: await count(db, 'account_deletions', 'user_number', number)
  }
}

/** By which rows refer to a user, also to one who is gone. */
async function numberEver(db: Db, userId: string): Promise<number> {
  const ever = db
    .selectFrom('users')
    .select(['id', 'number'])
    .unionAll(db.selectFrom('former_users').select(['id', 'number']))
  return (
    await db.selectFrom(ever.as('ever')).select('number').where('id', '=', userId).executeTakeFirstOrThrow()
  ).number
}

/** The authors that say that they are the user's. */
async function countRecordsOf(db: Db, userId: string): Promise<number> {
  const authors = await db.selectFrom('authors').select('record').execute()
  return authors.filter(({ record }) => JSON.parse(record).owner_id === userId).length
}

const NOTHING = {
  users: 0,
  authors: 0,
  records: 0,
  sessions: 0,
  api_keys: 0,
  idempotency_keys: 0,
  password_resets: 0,
  account_deletions: 0
}

async function makeAdmin(db: Db, id: string): Promise<void> {
  await db.updateTable('users').set({ role: 'admin' }).where('id', '=', id).execute()
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await turn()
}

const deleteMe = (server: FastifyInstance, headers: Record<string, string>) =>
  server.inject({ method: 'DELETE', url: '/me', headers, payload: { password: PASSWORD } })

const deleteUser = (server: FastifyInstance, headers: Record<string, string>, id: string) =>
  server.inject({ method: 'DELETE', url: `/users/${id}`, headers })

async function statusOf(answer: Promise<{ statusCode: number }>): Promise<number> {
  return (await answer).statusCode
}

/** The state that a crash in the middle of a deletion leaves behind. */
async function beginDeletion(db: Db, userId: string): Promise<void> {
  await insertDeletion(db, { userId, actorNumber: await numberOf(db, userId), at: new Date().toISOString() })
  await retireUser(db, userId, new Date().toISOString())
}

test('204 says that nothing is left, however much there was', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const ways = {
    salman: ({ headers }: { headers: Record<string, string> }) => deleteMe(server, headers),
    anna: ({ id }: { id: string }) => deleteUser(server, admin.headers, id)
  }
  for (const [username, remove] of Object.entries(ways)) {
    const user = await signIn(server, username)
    await addAuthors(db, user.id, 250)
    await addTraces(db, user.id, 450)
    const { statusCode, body } = await remove(user)
    t.strictSame([statusCode, body], [204, ''])
    t.strictSame(await traces(db, user.id), NOTHING)
    const changes = await db
      .selectFrom('changes')
      .select(['operation', 'version'])
      .where('actor_number', '=', await numberEver(db, username === 'anna' ? admin.id : user.id))
      .where('version', '>', 1)
      .execute()
    t.equal(changes.length, 250, 'each author has changed')
    t.ok(changes.every(({ operation, version }) => operation === 'disowned' && version === 2))
  }
  t.equal(await count(db, 'authors', 'owner_number', null), 500, 'and has stayed')
})

test('histories tell who it was, also of those who are gone', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const users = [await signIn(server, 'salman'), await signIn(server, 'anna')] as const
  const ids: string[] = []
  for (const [index, { headers }] of users.entries()) {
    const payload = { ...AUTHOR, book: `Book ${index}` }
    const { id } = (await server.inject({ method: 'POST', url: '/authors', headers, payload })).json()
    await server.inject({ method: 'PUT', url: `/authors/${id}`, headers, payload: { ...payload, note: 'x' } })
    ids.push(id)
  }
  const changesOf = async (id: string) => {
    const { data } = (await server.inject({ url: `/authors/${id}/history`, headers: admin.headers })).json()
    return data.map((change: { operation: string; actor_id: string }) => [change.operation, change.actor_id])
  }
  const [mine, others] = ids as [string, string]
  t.equal(await statusOf(deleteMe(server, users[0].headers)), 204)
  t.equal(await statusOf(deleteUser(server, admin.headers, users[1].id)), 204)
  const byOwner = (id: string) => [
    ['replaced', id],
    ['created', id]
  ]
  t.strictSame(await changesOf(mine), [['disowned', users[0].id], ...byOwner(users[0].id)])
  t.strictSame(await changesOf(others), [['disowned', admin.id], ...byOwner(users[1].id)])

  const namesake = await signIn(server, 'salman')
  await server.inject({ method: 'POST', url: '/authors', headers: namesake.headers, payload: AUTHOR })
  const { data } = (await server.inject({ url: '/changes?limit=100', headers: admin.headers })).json()
  t.strictSame(
    data.map(({ actor_id }: { actor_id: string }) => actor_id),
    [0, 0, 1, 1, 0].map((index) => users[index]?.id).concat([admin.id, namesake.id]),
    'and nobody gets the number of another'
  )
  t.strictSame(await unsoundnessOf(server.config.DATABASE_URL), [])
})

test('a deletion that has only begun lets nobody in, and nobody see the user', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const user = await signIn(server, 'salman')
  const { refresh_token } = (
    await server.inject({
      method: 'POST',
      url: '/login',
      headers: { authorization: basic('salman', PASSWORD) }
    })
  ).json()
  const created = await server.inject({
    method: 'POST',
    url: '/me/keys',
    headers: user.headers,
    payload: { name: 'k', scope: 'write' }
  })
  const key = { authorization: `Bearer ${created.json().key}` }
  t.equal(await statusOf(server.inject({ url: '/me', headers: key })), 200)
  await beginDeletion(db, user.id)

  t.equal(await statusOf(server.inject({ url: '/me', headers: user.headers })), 401)
  t.equal(await statusOf(server.inject({ url: '/me', headers: key })), 401)
  t.equal(await statusOf(deleteMe(server, user.headers)), 401)
  const refreshed = server.inject({ method: 'POST', url: '/refresh', payload: { refresh_token } })
  t.equal(await statusOf(refreshed), 401)
  const authorization = basic('salman', PASSWORD)
  t.equal(await statusOf(server.inject({ method: 'POST', url: '/login', headers: { authorization } })), 401)
  const url = `/users/${user.id}`
  t.match((await server.inject({ url, headers: admin.headers })).json(), { code: 'USER_NOT_FOUND' })
  const enabled = { method: 'PATCH', url, headers: admin.headers, payload: { disabled: false } } as const
  t.match((await server.inject(enabled)).json(), { code: 'USER_NOT_FOUND' })
  t.match((await deleteUser(server, admin.headers, user.id)).json(), { code: 'USER_NOT_FOUND' })
  const { data } = (await server.inject({ url: '/users', headers: admin.headers })).json()
  t.match(data, [{ username: 'admin' }])
  t.equal(data.length, 1)

  const namesake = await signIn(server, 'SALMAN')
  t.equal(await statusOf(server.inject({ url: '/me', headers: namesake.headers })), 200, 'the name is free')
  await server.housekeeping.run()
  t.strictSame(await traces(db, user.id), NOTHING)
  t.equal(await statusOf(server.inject({ url: '/me', headers: namesake.headers })), 200)
})

test('deletions of one account at the same moment do no harm', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const user = await signIn(server, 'salman')
  await addAuthors(db, user.id, 500)
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => statusOf(deleteUser(server, admin.headers, user.id))),
    ...Array.from({ length: 5 }, () => server.housekeeping.run().then(() => 0))
  ])
  t.strictSame(answers.sort(), [0, 0, 0, 0, 0, 204, 404, 404, 404, 404])
  t.strictSame(await traces(db, user.id), NOTHING)
  t.equal(await count(db, 'changes', 'operation', 'disowned'), 500, 'each author was changed once')
})

test('others write while an account with many authors is deleted', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const user = await signIn(server, 'salman')
  await addAuthors(db, user.id, 3000)
  let isDeleted = false
  const deletion = deleteUser(server, admin.headers, user.id).then(({ statusCode }) => {
    isDeleted = true
    return statusCode
  })
  for (let i = 0; i < 5; i++) {
    const payload = { ...AUTHOR, book: `Meanwhile ${i}` }
    const created = await server.inject({ method: 'POST', url: '/authors', headers: admin.headers, payload })
    t.equal(created.statusCode, 201)
  }
  t.notOk(isDeleted)
  t.equal(await deletion, 204)
})

test('an author that comes back while its owner is deleted loses the owner too', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const user = await signIn(server, 'salman')
  const author = { method: 'POST', url: '/authors', headers: user.headers, payload: AUTHOR } as const
  const { id } = (await server.inject(author)).json()
  await server.inject({ method: 'DELETE', url: `/authors/${id}`, headers: user.headers })
  await beginDeletion(db, user.id)
  const restored = { method: 'POST', url: `/authors/${id}/restore`, headers: admin.headers } as const
  t.equal(await statusOf(server.inject(restored)), 201)
  await server.housekeeping.run()
  t.match((await server.inject({ url: `/authors/${id}`, headers: admin.headers })).json(), { owner_id: null })
  t.strictSame(await traces(db, user.id), NOTHING)
})

test('what a crash has left of a deletion is done by the next start', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const before = await buildApp(t, { DATABASE_URL })
  const user = await signIn(before, 'salman')
  const db = openDirectly(t, DATABASE_URL)
  await addAuthors(db, user.id, 250)
  await addTraces(db, user.id, 450)
  await beginDeletion(db, user.id)
  await before.close()
  await listen(t, { DATABASE_URL })
  await until(async () => (await traces(db, user.id)).users === 0)
  t.strictSame(await traces(db, user.id), NOTHING)
  t.equal(await count(db, 'changes', 'operation', 'disowned'), 250)
})

/** A process with this database. */
const start = (t: Test, DATABASE_URL: string) =>
  startServer(t, { DATABASE_URL, LOG_LEVEL: 'error', RATE_LIMIT: 'off' })

test('also when the service was killed in the middle of it', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL })
  const user = await signIn(server, 'salman')
  await server.close()
  const killed = await start(t, DATABASE_URL)
  const db = openDirectly(t, DATABASE_URL)
  await addAuthors(db, user.id, 5000)
  const answer = fetch(`${killed.url}/me`, {
    method: 'DELETE',
    headers: { ...user.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ password: PASSWORD })
  }).catch(() => 'no answer')
  await until(async () => (await count(db, 'authors', 'owner_number', null)) > 0)
  killed.child.kill('SIGKILL')
  t.equal(await answer, 'no answer')
  await killed.exited
  t.match(await traces(db, user.id), { users: 1, account_deletions: 1 })
  const next = await start(t, DATABASE_URL)
  await until(async () => (await traces(db, user.id)).users === 0)
  t.strictSame(await traces(db, user.id), NOTHING)
  t.equal(await count(db, 'changes', 'operation', 'disowned'), 5000, 'each author was changed once')
  next.child.kill('SIGTERM')
  await next.exited
})

test('two processes that finish the same deletion do no harm', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL })
  const user = await signIn(server, 'salman')
  const db = openDirectly(t, DATABASE_URL)
  await addAuthors(db, user.id, 4000)
  const other = await start(t, DATABASE_URL)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const remote = fetch(`${other.url}/users/${user.id}`, { method: 'DELETE', headers: admin.headers })
  await until(async () => (await count(db, 'authors', 'owner_number', null)) > 0)
  await server.housekeeping.run()
  t.equal((await remote).status, 204)
  t.strictSame(await traces(db, user.id), NOTHING)
  t.equal(await count(db, 'changes', 'operation', 'disowned'), 4000, 'each author was changed once')
  other.child.kill('SIGTERM')
  await other.exited
})

/** The time of a processor that it takes in all threads, which those with whom we share the machine do not change much. */
async function costOf(work: () => Promise<unknown>): Promise<number> {
  const from = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000
}

test('twice the authors cost about twice as much', async (t) => {
  const server = await buildApp(t, { RATE_LIMIT: 'off' })
  const db = directly(t, server)
  const admin = await signIn(server, 'admin')
  await makeAdmin(db, admin.id)
  const costs: Record<number, number[]> = { 2000: [], 4000: [] }
  for (let tries = 0; tries < 3; tries++) {
    for (const authors of [2000, 4000]) {
      const user = await signIn(server, `owner-${authors}-${tries}`)
      await addAuthors(db, user.id, authors)
      costs[authors]?.push(await costOf(() => deleteUser(server, admin.headers, user.id)))
    }
  }
  const [less = 0, more = 0] = Object.values(costs).map((ofSize) => Math.min(...ofSize))
  t.ok(more < 3 * less, `${less} ms, then ${more} ms`)
})
