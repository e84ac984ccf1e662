import { once } from 'node:events'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { createPasswordReset } from '../../db/commands/password-resets.ts'
import { upsertPasswordReset } from '../../db/password-resets.ts'
import { test } from '../engines.ts'
import { AUTHOR, basic, buildApp, directly, holdRightPassword, listen, PASSWORD, signIn } from '../helpers.ts'

const NEW_PASSWORD = 'shalimar the clown'
type Headers = Record<string, string>

function logIn(server: FastifyInstance, password: string) {
  return server.inject({
    method: 'POST',
    url: '/login',
    headers: { authorization: basic('salman', password) }
  })
}

async function bearerOf(server: FastifyInstance, password = PASSWORD): Promise<Headers> {
  return { authorization: `Bearer ${(await logIn(server, password)).json().access_token}` }
}

const me = async (server: FastifyInstance, headers: Headers) =>
  (await server.inject({ url: '/me', headers })).statusCode

async function createKey(server: FastifyInstance, headers: Headers, changes: object = {}) {
  const payload = { name: 'nightly export', scope: 'write', ...changes }
  return server.inject({ method: 'POST', url: '/me/keys', headers, payload })
}

test('PUT /me/password needs the current one, and ends the other sessions', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const other = await bearerOf(server)
  const change = (current_password: string, new_password: string) =>
    server.inject({
      method: 'PUT',
      url: '/me/password',
      headers,
      payload: { current_password, new_password }
    })
  t.match((await change('wrong', NEW_PASSWORD)).json(), { code: 'WRONG_PASSWORD', status: 403 })
  t.match((await change(PASSWORD, 'short')).json(), { errors: [{ pointer: '/new_password' }] })
  t.match((await change(PASSWORD, 'passwordpassword')).json(), {
    code: 'PASSWORD_REFUSED',
    errors: [{ pointer: '/new_password' }]
  })
  t.equal(await me(server, other), 200)
  t.match(await change(PASSWORD, NEW_PASSWORD), { statusCode: 204, body: '' })
  t.strictSame([await me(server, headers), await me(server, other)], [200, 401])
  t.equal((await logIn(server, PASSWORD)).statusCode, 401)
  t.equal((await logIn(server, NEW_PASSWORD)).statusCode, 200)
})

test('DELETE /me needs the password, ends everything at once, and leaves the authors without owner', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const stranger = await signIn(server, 'stranger')
  const { key } = (await createKey(server, headers)).json()
  await server.inject({ method: 'POST', url: '/authors', headers, payload: AUTHOR })
  const remove = (password: string) =>
    server.inject({ method: 'DELETE', url: '/me', headers, payload: { password } })
  t.match((await remove('wrong')).json(), { code: 'WRONG_PASSWORD' })
  t.equal((await server.inject({ method: 'DELETE', url: '/me', headers })).statusCode, 400)
  t.equal((await remove(PASSWORD)).statusCode, 204)
  t.equal(await me(server, headers), 401)
  t.equal(await me(server, { authorization: `Bearer ${key}` }), 401)
  t.equal((await logIn(server, PASSWORD)).statusCode, 401)
  const author = await server.inject({ url: '/authors/salman-rushdie', headers: stranger.headers })
  t.equal(author.json().owner_id, null)
  const again = { username: 'salman', password: PASSWORD }
  t.equal((await server.inject({ method: 'POST', url: '/register', payload: again })).statusCode, 201)
})

test('POST /me/keys gives a key once, which works as a bearer token', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  const answer = await createKey(server, headers)
  t.match(answer, { statusCode: 201, headers: { 'cache-control': 'no-store', location: /^\/me\/keys\// } })
  const created = answer.json()
  t.match(created, { name: 'nightly export', scope: 'write', expires_at: null, last_used_at: null })
  t.match(created.key, /^library_[0-9A-Za-z]{36}$/)
  const { key, ...shown } = created

  const script = { authorization: `Bearer ${key}` }
  t.match((await server.inject({ url: '/me', headers: script })).json(), { id })
  t.equal(
    (await server.inject({ method: 'POST', url: '/authors', headers: script, payload: AUTHOR })).statusCode,
    201
  )
  const { data } = (await server.inject({ url: '/me/keys', headers })).json()
  t.match(data, [{ ...shown, last_used_at: /Z$/ }])
  t.notOk(JSON.stringify(data).includes(key))
  const kept = await server.db.selectFrom('api_keys').selectAll().executeTakeFirstOrThrow()
  t.notOk(JSON.stringify(kept).includes(key.slice(8)), 'the database has a hash')

  t.equal((await server.inject({ method: 'DELETE', url: `/me/keys/${created.id}`, headers })).statusCode, 204)
  t.equal(await me(server, script), 401)
  const gone = await server.inject({ method: 'DELETE', url: `/me/keys/${created.id}`, headers })
  t.match(gone.json(), { code: 'KEY_NOT_FOUND' })
})

test('a key that may only read cannot write, and no key manages keys, passwords, sessions or users', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  await directly(t, server).updateTable('users').set({ role: 'admin' }).execute()
  const keyOf = async (scope: string) => ({
    authorization: `Bearer ${(await createKey(server, headers, { scope })).json().key}`
  })
  const [reading, writing] = [await keyOf('read'), await keyOf('write')]
  t.equal((await server.inject({ url: '/authors', headers: reading })).statusCode, 200)
  const refused = await server.inject({
    method: 'POST',
    url: '/authors',
    headers: reading,
    payload: AUTHOR
  })
  t.match(refused.json(), { code: 'INSUFFICIENT_SCOPE', status: 403 })
  t.match(refused.headers['www-authenticate'], /error="insufficient_scope"/)

  const managing = [
    ['GET', '/me/keys'],
    ['POST', '/me/keys', { name: 'x', scope: 'write' }],
    ['DELETE', '/me/keys/x'],
    ['PUT', '/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD }],
    ['DELETE', '/me', { password: PASSWORD }],
    ['GET', '/me/sessions'],
    ['DELETE', '/me/sessions/x'],
    ['POST', '/logout'],
    ['PATCH', `/users/${id}`, { role: 'reader' }],
    ['DELETE', `/users/${id}`]
  ] as const
  for (const [method, url, payload] of managing) {
    const answer = await server.inject({ method, url, headers: writing, ...(payload && { payload }) })
    t.match(answer.json(), { code: 'ACCESS_TOKEN_ONLY', status: 403 }, `${method} ${url}`)
  }
})

test('a key is refused when it is mistyped, made up, expired, or its user is disabled', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const soon = new Date(Date.now() + 60_000).toISOString()
  const { key } = (await createKey(server, headers, { expires_at: soon })).json()
  const flipped = key.slice(0, -1) + (key.at(-1) === 'a' ? 'b' : 'a')
  for (const token of [
    flipped,
    key.slice(0, -1),
    `${key}0`,
    key.toLowerCase(),
    'library_',
    `library_${'0'.repeat(36)}`
  ]) {
    const answer = await server.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })
    t.match(answer.json(), { code: 'INVALID_TOKEN' }, token)
  }
  const bearer = { authorization: `Bearer ${key}` }
  t.equal(await me(server, bearer), 200)
  const db = directly(t, server)
  const past = new Date(Date.now() - 1).toISOString()
  await db.updateTable('api_keys').set({ expires_at: past }).execute()
  t.match((await server.inject({ url: '/me', headers: bearer })).json(), {
    status: 401,
    detail: `The API key expired at ${past}. Log in at POST /login and make a new one at POST /me/keys.`,
    expired_at: past
  })
  await db.updateTable('api_keys').set({ expires_at: null }).execute()
  await db.updateTable('users').set({ disabled_at: new Date().toISOString() }).execute()
  t.equal(await me(server, bearer), 401)
  await db.updateTable('api_keys').set({ expires_at: past }).execute()
  const disabled = await server.inject({ url: '/me', headers: bearer })
  t.notMatch(disabled.body, 'expired_at', 'nothing more to a disabled user')

  await db.updateTable('users').set({ disabled_at: null }).execute()
  const cases: [object, string][] = [
    [{ expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
    [{ expires_at: 'tomorrow' }, '/expires_at'],
    [{ expires_at: '9999-12-31T23:59:59-05:00' }, '/expires_at'],
    [{ scope: 'admin' }, '/scope'],
    [{ name: '' }, '/name']
  ]
  for (const [changes, pointer] of cases) {
    const answer = await createKey(server, headers, changes)
    t.match(answer.json(), { status: 400, errors: [{ pointer }] })
  }
})

test('of many guesses at the password of an open session those beyond the limit are refused, the right one too', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const change = (current_password: string) =>
    server.inject({
      method: 'PUT',
      url: '/me/password',
      headers,
      payload: { current_password, new_password: NEW_PASSWORD }
    })
  const release = holdRightPassword(server)
  const right = change(PASSWORD)
  const guesses = Array.from({ length: 30 }, (_, i) => change(`a wrong guess ${i}`))
  const statuses = (await Promise.all(guesses)).map(({ statusCode }) => statusCode)
  release()
  t.equal(statuses.filter((status) => status === 403).length, 10)
  t.equal(statuses.filter((status) => status === 429).length, 20)
  t.equal((await right).statusCode, 429)
  t.equal((await logIn(server, NEW_PASSWORD)).statusCode, 429)
})

test('nobody sees or revokes the keys of others', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const stranger = await signIn(server, 'stranger')
  const { id } = (await createKey(server, headers)).json()
  const list = await server.inject({ url: '/me/keys', headers: stranger.headers })
  t.strictSame(list.json().data, [])
  const revoke = await server.inject({ method: 'DELETE', url: `/me/keys/${id}`, headers: stranger.headers })
  t.match(revoke.json(), { code: 'KEY_NOT_FOUND' })
})

/** A request whose body is held back until `finish()`, so that something else comes between its check and its write. */
async function held(url: string, method: string, route: string, headers: Headers, payload: object) {
  const body = JSON.stringify(payload)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  const fields = {
    host: 'x',
    connection: 'close',
    'content-type': 'application/json',
    'content-length': body.length,
    ...headers
  }
  const head = Object.entries(fields).map((field) => field.join(': '))
  socket.write([`${method} ${route} HTTP/1.1`, ...head, '', body.slice(0, 1)].join('\r\n'))
  await fetch(`${url}/health/live`)
  return async () => {
    socket.write(body.slice(1))
    await once(socket, 'close')
    return Number(/^HTTP\/1.1 (\d+)/.exec(Buffer.concat(chunks).toString())?.[1])
  }
}

test('what ended while the body of a write came in is looked at again', async (t) => {
  const { server, url } = await listen(t)
  const boss = await signIn(server, 'boss')
  await directly(t, server).updateTable('users').set({ role: 'admin' }).execute()
  const patch = (id: string, payload: object) =>
    server.inject({ method: 'PATCH', url: `/users/${id}`, headers: boss.headers, payload })
  const between = async (
    name: string,
    method: string,
    route: string,
    payload: object,
    event: (id: string) => Promise<unknown>
  ) => {
    const { id, headers } = await signIn(server, name)
    await patch(id, { role: 'admin' })
    const finish = await held(url, method, route.replace('ME', id), headers, payload)
    await event(id)
    return finish()
  }
  const disable = (id: string) => patch(id, { disabled: true })
  const remove = (id: string) =>
    server.inject({ method: 'DELETE', url: `/users/${id}`, headers: boss.headers })
  const demote = (id: string) => patch(id, { role: 'reader' })
  t.equal(await between('anna', 'PATCH', '/users/ME', { role: 'admin', disabled: false }, disable), 401)
  t.equal(await between('boris', 'PATCH', '/users/ME', { role: 'admin' }, demote), 403)
  t.equal(await between('chen', 'POST', '/me/keys', { name: 'k', scope: 'write' }, disable), 401)
  t.equal(await between('dora', 'POST', '/me/keys', { name: 'k', scope: 'write' }, remove), 401)
  t.equal(await between('emil', 'POST', '/authors', AUTHOR, remove), 401)
  t.equal(await between('fay', 'POST', '/authors', AUTHOR, demote), 403)
})

test('no login with the old password survives a password change, nor a reset code', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  await upsertPasswordReset(directly(t, server), id, 'the-code', new Date(Date.now() + 60_000).toISOString())
  const payload = { current_password: PASSWORD, new_password: NEW_PASSWORD }
  const change = server.inject({ method: 'PUT', url: '/me/password', headers, payload })
  const logins = await Promise.all(Array.from({ length: 7 }, () => logIn(server, PASSWORD)))
  t.equal((await change).statusCode, 204)
  for (const login of logins) {
    const token = login.json().access_token
    if (login.statusCode === 200) t.equal(await me(server, { authorization: `Bearer ${token}` }), 401)
    else t.match(login.json(), { code: 'INVALID_CREDENTIALS' })
  }
  const reset = { username: 'salman', code: 'the-code', new_password: 'another phrase to guess' }
  const late = await server.inject({ method: 'POST', url: '/password-reset', payload: reset })
  t.match(late.json(), { code: 'INVALID_RESET_CODE' })
})

test('of two password changes at once one wins', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const change = (new_password: string) =>
    server.inject({
      method: 'PUT',
      url: '/me/password',
      headers,
      payload: { current_password: PASSWORD, new_password }
    })
  const answers = await Promise.all([change(NEW_PASSWORD), change('another phrase to guess')])
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [204, 403])
})

test('GET /me/export gives all that is kept about me, and nothing of others', async (t) => {
  const server = await buildApp(t)
  const [me, other] = [await signIn(server, 'wole'), await signIn(server, 'ama')]
  const call = (
    method: 'GET' | 'POST' | 'DELETE' | 'HEAD',
    url: string,
    more: object = {},
    headers = me.headers
  ) =>
    server.inject({
      method,
      url,
      ...more,
      headers: { ...headers, ...(more as { headers?: object }).headers }
    })
  const rows = Array.from({ length: 230 }, (_, number) => JSON.stringify({ name: `Playwright ${number}` }))
  const ndjson = { 'content-type': 'application/x-ndjson' }
  for (const { headers } of [me, other])
    await call('POST', '/authors/import?mode=partial', { headers: ndjson, payload: rows.join('\n') }, headers)
  const keyed = { headers: { 'idempotency-key': 'once' }, payload: { name: 'Femi Osofisan' } }
  const created = (await call('POST', '/authors', keyed)).json()
  const others = (await call('POST', '/authors', { payload: { name: 'Not Mine' } }, other.headers)).json()
  await call('DELETE', '/authors/playwright-7')
  const { key } = (await call('POST', '/me/keys', { payload: { name: 'nightly', scope: 'read' } })).json()
  await call('POST', '/me/keys', { payload: { name: 'theirs', scope: 'read' } }, other.headers)
  for (const [username, password] of [
    ['wole', 'wrong'],
    ['ama', 'wrong'],
    ['WOLE', PASSWORD]
  ] as const)
    await server.inject({
      method: 'POST',
      url: '/login',
      headers: { authorization: basic(username, password) }
    })
  const code = { userId: me.id, code: 'k7wq-3mzp', expiresAt: '2999-01-01T00:00:00.000Z' }
  // More than are read at once.
  for (let i = 0; i < 120; i++) await server.run('service', createPasswordReset, code)

  const answer = await call('GET', '/me/export')
  t.match(answer, {
    statusCode: 200,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'content-disposition': 'attachment; filename="my-data.json"'
    }
  })
  const data = answer.json()
  t.match(data, {
    exported_at: String,
    account: { id: me.id, username: 'wole', role: 'editor', disabled: false },
    password_reset_until: code.expiresAt,
    limits: [
      { limit: 'login-known', count: 1 },
      { limit: 'login-account', count: 1 }
    ],
    sessions: [{ current: false }, { id: String, current: true }],
    api_keys: [{ name: 'nightly' }],
    answers: [{ idempotency_key: 'once', status: 201, author: created }]
  })
  t.strictSame(
    [data.sessions.length, data.api_keys.length, data.answers.length, data.limits.length],
    [2, 1, 1, 2]
  )
  t.match(data.account_log.slice(-3), [
    { entry: 3, action: 'reset_code_created', actor_id: null, operator: null },
    { entry: 2, action: 'key_created', actor_id: me.id, key_id: data.api_keys[0].id },
    { entry: 1, action: 'registered', actor_id: me.id, new_role: 'editor' }
  ])
  t.strictSame(
    data.account_log.map(({ entry }: { entry: number }) => entry),
    Array.from({ length: 122 }, (_, i) => 122 - i)
  )
  const authors = data.authors as { id: string; owner_id: string }[]
  t.equal(authors.length, 230)
  t.ok(authors.every(({ owner_id }) => owner_id === me.id))
  t.strictSame(authors.at(-1), created)
  t.equal(data.changes.length, 232)
  t.match(data.changes.at(-1), { operation: 'deleted', version: 2, author_id: /^[\da-f-]{36}$/ })
  t.notOk(data.changes.some(({ author_id }: { author_id: string }) => author_id === others.id))
  for (const secret of [key, other.id, 'theirs', 'Not Mine', 'argon2', me.token])
    t.notOk(answer.body.includes(secret))

  const empty = (await call('GET', '/me/export', {}, (await signIn(server, 'newcomer')).headers)).json()
  t.match(empty, {
    api_keys: [],
    answers: [],
    authors: [],
    changes: [],
    limits: [],
    password_reset_until: null
  })
  t.match((await call('GET', '/me/export', {}, { authorization: `Bearer ${key}` })).json(), {
    code: 'ACCESS_TOKEN_ONLY'
  })
  t.match(await call('HEAD', '/me/export'), { statusCode: 200, body: '' })
})
