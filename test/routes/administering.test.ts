/** What admins do over HTTP, and nobody else. */
import { PassThrough } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { app, serverOptions } from '../../app.ts'
import { deleteUser } from '../../db/commands/account-deletions.ts'
import { changeUser } from '../../db/commands/users.ts'
import { engineOf, test } from '../engines.ts'
import { AUTHOR, basic, buildApp, directly, PASSWORD, signIn, signInAdmin } from '../helpers.ts'

type Headers = Record<string, string>
type Method = 'GET' | 'POST' | 'DELETE'

const NOBODY = '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21'

async function keyOf(server: FastifyInstance, headers: Headers, scope = 'write') {
  const payload = { name: `a key to ${scope}`, scope }
  return (await server.inject({ method: 'POST', url: '/me/keys', headers, payload })).json()
}

const logIn = (server: FastifyInstance, username: string, password = PASSWORD) =>
  server.inject({ method: 'POST', url: '/login', headers: { authorization: basic(username, password) } })

const asks =
  (server: FastifyInstance, headers: Headers) =>
  (line: string, payload?: object, more: Headers = {}) => {
    const [method, url] = line.split(' ')
    return server.inject({
      method: method as Method,
      url: url as string,
      headers: { ...headers, ...more },
      ...(payload && { payload })
    })
  }

/** What the history of an account has, the oldest first: each action, by whom, and of which key. */
async function historyOf(server: FastifyInstance, headers: Headers, id: string) {
  const { data } = (await server.inject({ url: `/users/${id}/history?limit=100`, headers })).json()
  return data
    .map(({ action, actor_id, key_id }: Record<string, string>) =>
      key_id === null ? [action, actor_id] : [action, actor_id, key_id]
    )
    .toReversed()
}

/** Each thing that is for admins: what is asked of the user `{id}`, the answer, and what it needs first. */
const ACTS: { line: string; payload?: object; status: number; event?: string }[] = [
  { line: 'GET /users?q=san', status: 200, event: 'users_searched' },
  { line: 'GET /users?role=editor', status: 200, event: 'users_searched' },
  { line: 'GET /users?disabled=false', status: 200, event: 'users_searched' },
  { line: 'GET /service', status: 200, event: 'service_status_read' },
  { line: 'GET /authors?deleted=true', status: 200, event: 'deleted_authors_listed' },
  { line: 'POST /users', payload: { username: 'kamala' }, status: 201, event: 'user_created' },
  { line: 'POST /users/{id}/reset-code', status: 200, event: 'reset_code_created' },
  { line: 'POST /users/{id}/unlock', status: 204, event: 'user_unlocked' },
  { line: 'GET /users/{id}/sessions', status: 200, event: 'user_sessions_listed' },
  { line: 'DELETE /users/{id}/sessions/{session}', status: 204, event: 'user_sessions_ended' },
  { line: 'DELETE /users/{id}/sessions', status: 204, event: 'user_sessions_ended' },
  { line: 'GET /users/{id}/keys', status: 200, event: 'user_keys_listed' },
  { line: 'DELETE /users/{id}/keys/{key}', status: 204, event: 'user_keys_revoked' },
  { line: 'DELETE /users/{id}/keys', status: 204, event: 'user_keys_revoked' },
  { line: 'GET /users/{id}/history', status: 200, event: 'user_history_listed' }
]

/** The service with its log. */
async function buildLogged(t: Test) {
  const server = await buildApp(t)
  const lines: Record<string, unknown>[] = []
  const stream = new PassThrough()
  stream.on('data', (data) =>
    lines.push(
      ...String(data)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    )
  )
  const { loggerInstance: _, logger, ...options } = serverOptions({ ...server.config, LOG_LEVEL: 'info' })
  const logged = Fastify({ ...options, logger: { ...(logger as object), stream } })
  t.teardown(() => logged.close())
  await logged.register(app, { config: server.config })
  return { server: logged, lines }
}

t.test('each act is for admins with an access token, and is in the log', async (t) => {
  const { server, lines } = await buildLogged(t)
  const admin = await signInAdmin(server)
  const user = await signIn(server, 'sandip')
  const session = await server.db
    .selectFrom('sessions')
    .innerJoin('users', 'users.number', 'sessions.user_number')
    .select('sessions.id')
    .where('users.id', '=', user.id)
    .executeTakeFirstOrThrow()
  const key = await keyOf(server, user.headers)
  const plain = await signIn(server, 'plain')
  const script = { authorization: `Bearer ${(await keyOf(server, admin.headers)).key}` }
  for (const { line, payload, status, event } of ACTS) {
    const filled = line.replace('{id}', user.id).replace('{session}', session.id).replace('{key}', key.id)
    t.match(
      (await asks(server, plain.headers)(filled, payload)).json(),
      { code: 'ROLE_REQUIRED', status: 403 },
      line
    )
    t.match(
      (await asks(server, script)(filled, payload)).json(),
      { code: 'ACCESS_TOKEN_ONLY', status: 403 },
      line
    )
    t.match((await asks(server, {})(filled, payload)).json(), { code: 'TOKEN_REQUIRED', status: 401 }, line)
    if (line.includes('{id}'))
      t.match(
        (await asks(server, admin.headers)(filled.replace(user.id, NOBODY), payload)).json(),
        { code: 'USER_NOT_FOUND', status: 404 },
        line
      )
    lines.length = 0
    const answer = await asks(server, admin.headers)(filled, payload)
    t.equal(answer.statusCode, status, `${line} ${answer.body}`)
    t.equal(answer.headers['cache-control'], 'no-store', line)
    t.match(
      lines.find((entry) => entry.event === event),
      { by: admin.id, level: 30 },
      `${line} is ${event}`
    )
    if (line.includes('{id}'))
      t.match(
        lines.find((entry) => entry.event === event),
        { user_id: user.id }
      )
    t.notMatch(JSON.stringify(lines), /[2-9a-z]{4}(?:-[2-9a-z]{4}){6}/, 'no code is in the log')
  }
})

test('users are found by the beginning of their names, role and whether they are disabled', async (t) => {
  const server = await buildApp(t)
  const { headers, id } = await signInAdmin(server, 'Ángela')
  const users: Record<string, string> = {}
  for (const name of ['anna', 'Annette', 'ANTON', 'boris']) users[name] = (await signIn(server, name)).id
  const change = (name: string, changes: object) =>
    server.run('service', changeUser, { userId: users[name] as string, ...changes })
  await change('anna', { role: 'reader' })
  await change('Annette', { disabled: true })
  const found = async (query: string) =>
    (await server.inject({ url: `/users?${query}`, headers }))
      .json()
      .data.map(({ username }: { username: string }) => username)
  t.strictSame(await found('q=ANN'), ['Annette', 'anna'])
  t.strictSame(await found('q=an&role=editor'), ['ANTON', 'Annette'])
  t.strictSame(await found('role=reader'), ['anna'])
  t.strictSame(await found('disabled=true'), ['Annette'])
  t.strictSame(await found('disabled=false&q=an'), ['ANTON', 'anna'])
  t.strictSame(await found('role=admin'), ['Ángela'])
  t.strictSame(await found(`q=${encodeURIComponent('a\u0301ng')}`), ['Ángela'], 'in another spelling')
  t.strictSame(await found('q=nna'), [])
  t.strictSame(await found('q=%25'), [], 'no wildcards')
  const { data, next } = (await server.inject({ url: '/users?q=an&limit=1', headers })).json()
  t.match(data, [{ username: 'ANTON' }])
  t.match((await server.inject({ url: next, headers })).json().data, [{ username: 'Annette' }])
  for (const query of ['q=', 'role=god', 'disabled=yes', `q=${'x'.repeat(65)}`])
    t.equal((await server.inject({ url: `/users?${query}`, headers })).statusCode, 400, query)
  t.ok(id)
})

test('an admin creates a user, who sets a password with the code', async (t) => {
  const server = await buildApp(t, { REGISTRATION: 'closed' })
  const { headers, id: adminId } = await signInAdmin(server)
  const post = asks(server, headers)
  const keyed = { 'idempotency-key': 'once' }
  const answer = await post('POST /users', { username: 'Vikram', role: 'reader' }, keyed)
  const { reset_code: code, ...user } = answer.json()
  t.match(user, { username: 'Vikram', role: 'reader', disabled: false })
  t.equal(answer.headers.location, `/users/${user.id}`)
  t.match(code, /^(?:[2-9a-z]{4}-){6}[2-9a-z]{4}$/)
  t.ok(Math.abs(Date.parse(user.reset_code_expires_at) - Date.now() - 3_600_000) < 60_000)
  const again = await post('POST /users', { username: 'Vikram', role: 'reader' }, keyed)
  t.match(again.json(), { id: user.id, reset_code: null, reset_code_expires_at: null }, 'shown once')
  t.equal(again.statusCode, 201)
  const other = await post('POST /users', { username: 'Amit' }, keyed)
  t.match(other.json(), { code: 'IDEMPOTENCY_KEY_REUSED' })
  const kept = await server.db.selectFrom('idempotency_keys').selectAll().execute()
  t.notOk(JSON.stringify(kept).includes(code), 'the code is not kept')

  const refusals: [object, number, string][] = [
    [{ username: 'VIKRAM' }, 409, 'USERNAME_TAKEN'],
    [{ username: 'vіkram' }, 400, 'VALIDATION_FAILED'],
    [{ username: 'v:x' }, 400, 'VALIDATION_FAILED'],
    [{ username: 'fine', role: 'god' }, 400, 'VALIDATION_FAILED'],
    [{ username: 'fine', password: PASSWORD }, 400, 'VALIDATION_FAILED'],
    [{}, 400, 'VALIDATION_FAILED']
  ]
  for (const [payload, status, code] of refusals)
    t.match((await post('POST /users', payload)).json(), { status, code }, JSON.stringify(payload))

  t.strictSame(
    await historyOf(server, headers, user.id),
    [
      ['created', adminId],
      ['reset_code_created', adminId]
    ],
    'once, by whom'
  )
  const payload = { username: 'vikram', code, new_password: 'a suitable boy, unread' }
  t.equal((await server.inject({ method: 'POST', url: '/password-reset', payload })).statusCode, 204)
  t.equal((await logIn(server, 'vikram', payload.new_password)).statusCode, 200)
  t.match((await post('POST /users', { username: 'amit' })).json(), { role: 'editor' })
})

test('an admin makes reset codes, unlocks, and ends sessions and keys', async (t) => {
  const server = await buildApp(t)
  const { headers, id: adminId } = await signInAdmin(server)
  const user = await signIn(server, 'sandip')
  const ask = asks(server, headers)
  for (let tries = 0; tries < 10; tries++) await logIn(server, 'sandip', 'wrong, always wrong')
  t.equal((await logIn(server, 'sandip')).statusCode, 429)
  t.equal((await ask(`POST /users/${user.id}/unlock`)).statusCode, 204)
  t.equal((await logIn(server, 'sandip')).statusCode, 200)

  const page = (await ask(`GET /users/${user.id}/sessions?limit=1`)).json()
  t.match(page.data, [{ current: false, ended_at: null }])
  const older = (await ask(`GET ${page.next}`)).json().data[0]
  t.equal((await ask(`DELETE /users/${user.id}/sessions/${older.id}`)).statusCode, 204)
  t.equal((await asks(server, user.headers)('GET /me')).statusCode, 401, 'ended at once')
  t.match((await ask(`DELETE /users/${user.id}/sessions/${older.id}`)).json(), { code: 'SESSION_NOT_FOUND' })
  t.match((await ask(`DELETE /users/${adminId}/sessions/${page.data[0].id}`)).json(), {
    code: 'SESSION_NOT_FOUND'
  })
  const ended = (await ask(`GET /users/${user.id}/sessions`)).json().data
  t.match(
    ended.find(({ id }: { id: string }) => id === older.id),
    { end_reason: 'ended_by_admin' }
  )

  const fresh = { authorization: `Bearer ${(await logIn(server, 'sandip')).json().access_token}` }
  const [read, write] = [await keyOf(server, fresh, 'read'), await keyOf(server, fresh)]
  const by = ({ key }: { key: string }) => asks(server, { authorization: `Bearer ${key}` })('GET /me')
  const keys = (await ask(`GET /users/${user.id}/keys`)).json()
  t.match(keys.data, [{ id: write.id }, { id: read.id }])
  t.notOk(JSON.stringify(keys).includes(read.key))
  const spare = await keyOf(server, fresh)
  t.equal((await ask(`DELETE /users/${user.id}/keys/${read.id}`)).statusCode, 204)
  t.strictSame([(await by(read)).statusCode, (await by(write)).statusCode], [401, 200])
  t.match((await ask(`DELETE /users/${user.id}/keys/${read.id}`)).json(), { code: 'KEY_NOT_FOUND' })
  t.match((await ask(`DELETE /users/${adminId}/keys/${write.id}`)).json(), { code: 'KEY_NOT_FOUND' })
  t.equal((await ask(`DELETE /users/${user.id}/keys`)).statusCode, 204)
  t.equal((await by(write)).statusCode, 401)
  t.equal((await asks(server, fresh)('GET /me')).statusCode, 200, 'sessions stay')
  t.equal((await ask(`DELETE /users/${user.id}/sessions`)).statusCode, 204)
  t.equal((await asks(server, fresh)('GET /me')).statusCode, 401)

  const first = (await ask(`POST /users/${user.id}/reset-code`)).json()
  const { reset_code: code } = (await ask(`POST /users/${user.id}/reset-code`)).json()
  t.equal((await logIn(server, 'sandip')).statusCode, 200, 'a code alone changes nothing')
  const reset = (given: string) =>
    server.inject({
      method: 'POST',
      url: '/password-reset',
      payload: { username: 'sandip', code: given, new_password: 'ghare baire, 1916' }
    })
  t.match((await reset(first.reset_code)).json(), { code: 'INVALID_RESET_CODE' }, 'the last one counts')
  t.equal((await reset(code)).statusCode, 204)
  for (const nothing of ['unlock', 'keys', 'sessions'])
    await ask(`${nothing === 'unlock' ? 'POST' : 'DELETE'} /users/${user.id}/${nothing}`)
  t.strictSame(
    await historyOf(server, headers, user.id),
    [
      ['registered', user.id],
      ['unlocked', adminId],
      ['sessions_ended', adminId],
      ['key_created', user.id, read.id],
      ['key_created', user.id, write.id],
      ['key_created', user.id, spare.id],
      ['key_revoked', adminId, read.id],
      ['key_revoked', adminId, write.id],
      ['key_revoked', adminId, spare.id],
      ['sessions_ended', adminId],
      ['reset_code_created', adminId],
      ['reset_code_created', adminId],
      ['password_reset', user.id]
    ],
    'what was refused, or changed nothing, is no entry'
  )
})

test('nothing of it locks the last admin out', async (t) => {
  const server = await buildApp(t)
  const { headers, id } = await signInAdmin(server)
  const ask = asks(server, headers)
  for (const line of ['POST /users/{id}/reset-code', 'POST /users/{id}/unlock', 'DELETE /users/{id}/keys'])
    t.ok((await ask(line.replace('{id}', id))).statusCode < 300, line)
  t.equal((await ask(`DELETE /users/${id}/sessions`)).statusCode, 204)
  t.equal((await ask('GET /me')).statusCode, 401, 'logged out')
  const back = { authorization: `Bearer ${(await logIn(server, 'indira')).json().access_token}` }
  t.equal((await asks(server, back)('GET /users?role=admin')).statusCode, 200, 'and in again')
})

test('whose role ends while a request is under way does nothing more; neither does a key', async (t) => {
  const server = await buildApp(t)
  const admin = await signInAdmin(server)
  const plain = await signIn(server, 'plain')
  const { key } = await keyOf(server, admin.headers)
  const input = { userId: admin.id, disabled: true }
  const caller = { id: plain.id, role: 'admin' as const, sessionId: '' }
  await t.rejects(server.run(caller, changeUser, input), { code: 'INVALID_TOKEN' })
  const session = { ...caller, sessionId: (await sessionOf(t, server, plain.id)) as string }
  await t.rejects(server.run(session, changeUser, input), { code: 'ROLE_REQUIRED' })
  const byKey = { id: admin.id, role: 'admin' as const, keyHash: server.apiKeys.hash(key) as string }
  await t.rejects(server.run(byKey, changeUser, input), { code: 'ACCESS_TOKEN_ONLY' })
  await t.rejects(server.run(byKey, deleteUser, { userId: plain.id }), { code: 'ACCESS_TOKEN_ONLY' })
})

async function sessionOf(t: Test, server: FastifyInstance, userId: string) {
  const sessions = directly(t, server)
    .selectFrom('sessions')
    .innerJoin('users', 'users.number', 'sessions.user_number')
    .select('sessions.id')
    .where('users.id', '=', userId)
  return (await sessions.executeTakeFirst())?.id
}

const create = async (server: FastifyInstance, headers: Headers, book: string) =>
  (await asks(server, headers)('POST /authors', { ...AUTHOR, book })).json()

test('include=names puts names beside ids, as they are now, and no cache mixes both forms', async (t) => {
  const server = await buildApp(t)
  const admin = await signInAdmin(server)
  const user = await signIn(server, 'sandip')
  const author = await create(server, user.headers, 'Fury')
  const ask = asks(server, admin.headers)
  const address = `/authors/${author.slug}`
  await ask(`PUT ${address}`, { ...AUTHOR, book: 'Fury', note: 'by an admin' })
  const named = { owner_id: user.id, owner_name: 'sandip' }
  for (let round = 0; round < 2; round++) {
    t.match((await ask('GET /authors?include=names')).json().data, [named])
    t.notOk('owner_name' in (await ask('GET /authors')).json().data[0], 'the list without')
    t.match((await ask(`GET ${address}?include=names`)).json(), named)
    t.notOk('owner_name' in (await ask(`GET ${address}`)).json(), 'the author without')
  }
  t.match((await ask(`GET ${address}?version=1&include=names`)).json(), { ...named, version: 1 })
  const history = (await ask(`GET ${address}/history?include=names`)).json().data
  t.match(history, [
    { actor_id: admin.id, actor_name: 'indira', record: named },
    { actor_id: user.id, actor_name: 'sandip', record: named }
  ])
  const changes = (await ask('GET /changes?include=names&limit=1')).json()
  t.match(changes, { data: [{ actor_name: 'sandip' }], next: '/changes?since=1&limit=1&include=names' })
  t.match((await ask(`GET ${changes.next}`)).json().data, [{ actor_name: 'indira' }])
  t.notOk('actor_name' in (await ask('GET /changes')).json().data[0])

  const { etag } = (await ask(`GET ${address}?include=names`)).headers as { etag: string }
  const has = { 'if-none-match': etag }
  t.equal((await ask(`GET ${address}?include=names`, undefined, has)).statusCode, 304)
  t.equal((await ask(`GET ${address}`, undefined, has)).statusCode, 200, 'a tag is of its form')
  const change = { ...AUTHOR, book: 'Fury', note: 'seen with names' }
  t.equal((await ask(`PUT ${address}`, change, { 'if-match': etag })).statusCode, 200, 'and of its version')
  t.equal((await ask(`PUT ${address}`, change, { 'if-match': etag })).statusCode, 412)

  const db = directly(t, server)
  const { etag: now } = (await ask(`GET ${address}?include=names`)).headers as { etag: string }
  await db.updateTable('users').set({ username: 'Sandip' }).where('id', '=', user.id).execute()
  const renamed = await ask(`GET ${address}?include=names`, undefined, { 'if-none-match': now })
  t.match(renamed.json(), { owner_name: 'Sandip' }, 'another name is another tag')
  t.match((await ask('GET /authors?include=names')).json().data, [{ owner_name: 'Sandip' }])
  t.equal((await ask(`DELETE /users/${user.id}`)).statusCode, 204)
  t.match((await ask('GET /authors?include=names')).json().data, [{ owner_id: null, owner_name: null }])
  const last = (await ask(`GET ${address}/history?include=names`)).json().data.at(-1)
  t.match(last, { actor_id: user.id, actor_name: null, record: { owner_id: user.id, owner_name: null } })

  const script = { authorization: `Bearer ${(await keyOf(server, admin.headers)).key}` }
  for (const url of ['/authors', address, `${address}/history`, '/changes']) {
    t.match(
      (await asks(server, script)(`GET ${url}?include=names`)).json(),
      { code: 'ACCESS_TOKEN_ONLY' },
      url
    )
    t.equal((await asks(server, script)(`GET ${url}`)).statusCode, 200, url)
    t.equal((await ask(`GET ${url}?include=all`)).statusCode, 400, url)
  }
})

test('deleted authors are listed for admins, the last deletion first, by an index', async (t) => {
  const server = await buildApp(t)
  const admin = await signInAdmin(server)
  const user = await signIn(server, 'sandip')
  const ask = asks(server, admin.headers)
  const books = ['Fury', 'Shame', 'Grimus', 'Quichotte']
  const authors = []
  for (const book of books) authors.push(await create(server, user.headers, book))
  const [fury, shame, grimus] = authors
  await ask(`DELETE /authors/${shame.id}`)
  await asks(server, user.headers)(`DELETE /authors/${fury.id}`)
  await asks(server, user.headers)(`DELETE /authors/${grimus.id}`)
  await ask(`POST /authors/${grimus.id}/restore`)
  const { data, next } = (await ask('GET /authors?deleted=true')).json()
  t.equal(next, null)
  t.match(data, [
    { ...fury, deleted_by: user.id, deleted_at: /Z$/ },
    { ...shame, deleted_by: admin.id, deleted_at: /Z$/ }
  ])
  t.equal(data.length, 2, 'without those that are back')
  const page = await ask('GET /authors?deleted=true&limit=1&include=names')
  t.match(page.json().data, [{ id: fury.id, deleted_by_name: 'sandip', owner_name: 'sandip' }])
  t.equal(page.headers.link, `<${page.json().next}>; rel="next"`)
  t.match((await ask(`GET ${page.json().next}`)).json().data, [{ id: shame.id, deleted_by_name: 'indira' }])
  await ask(`POST /authors/${fury.id}/restore`)
  await ask(`DELETE /authors/${fury.id}`)
  t.match((await ask('GET /authors?deleted=true')).json().data, [
    { id: fury.id, version: 3, deleted_by: admin.id },
    { id: shame.id }
  ])
  t.equal((await ask('GET /authors?deleted=false')).json().data.length, 2)
  for (const other of ['q=fury', 'sort=name', 'owner=me', 'count=true', 'country=india'])
    t.match((await ask(`GET /authors?deleted=true&${other}`)).json(), { code: 'VALIDATION_FAILED' }, other)
  t.match((await asks(server, user.headers)('GET /authors?deleted=true')).json(), { code: 'ROLE_REQUIRED' })
  const script = { authorization: `Bearer ${(await keyOf(server, admin.headers)).key}` }
  t.match((await asks(server, script)('GET /authors?deleted=true')).json(), { code: 'ACCESS_TOKEN_ONLY' })
})

t.test('SQLite finds deleted authors and users by their indexes', async (t) => {
  const server = await buildApp(t)
  const plans: [string, RegExp][] = [
    [
      "select sequence from changes where operation = 'deleted' and before is not null order by sequence desc",
      /USING INDEX changes_deleted \(operation=\?\)$/
    ],
    ["select id from users where role = 'admin' order by id desc", /USING (?:COVERING )?INDEX users_role/],
    ['select id from users where disabled_at is not null order by id desc', /INDEX users_disabled/]
  ]
  for (const [query, plan] of plans) {
    const { rows } = await sql
      .raw<{ detail: string }>(`explain query plan ${query}`)
      .execute(directly(t, server))
    t.match(rows.map(({ detail }) => detail).join('\n'), plan, query)
  }
})

test('GET /service tells what runs here', async (t) => {
  const server = await buildApp(t)
  const admin = await signInAdmin(server)
  for (let tries = 0; tries < 11; tries++) await logIn(server, 'indira', 'wrong, always wrong')
  const status = (await asks(server, admin.headers)('GET /service')).json()
  t.match(status, {
    version: /^\d+\.\d+\.\d+/,
    node: process.version,
    engine: engineOf(t),
    counts: { authors: 0, users: 1 },
    backups: null
  })
  t.ok(status.database.bytes > 0)
  t.ok(status.commit === null || /^[0-9a-f]{12}$/.test(status.commit))
  t.ok(status.limits.login >= 1, 'limits that were hit')
  t.equal(status.keys.length, 1)
  t.ok(Date.parse(status.started_at) <= Date.now())
})
