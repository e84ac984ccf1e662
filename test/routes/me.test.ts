import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { AUTHOR, basic, buildApp, PASSWORD, signIn } from '../helpers.ts'

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

t.test('PUT /me/password needs the current one, and ends the other sessions', async (t) => {
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

t.test(
  'DELETE /me needs the password, ends everything at once, and leaves the authors without owner',
  async (t) => {
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
  }
)

t.test('POST /me/keys gives a key once, which works as a bearer token', async (t) => {
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

t.test(
  'a key that may only read cannot write, and no key manages keys, passwords, sessions or users',
  async (t) => {
    const server = await buildApp(t)
    const { id, headers } = await signIn(server)
    await server.db.updateTable('users').set({ role: 'admin' }).execute()
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
  }
)

t.test('a key is refused when it is mistyped, made up, expired, or its user is disabled', async (t) => {
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
  await server.db
    .updateTable('api_keys')
    .set({ expires_at: new Date(Date.now() - 1).toISOString() })
    .execute()
  t.equal(await me(server, bearer), 401)
  await server.db.updateTable('api_keys').set({ expires_at: null }).execute()
  await server.db.updateTable('users').set({ disabled_at: new Date().toISOString() }).execute()
  t.equal(await me(server, bearer), 401)

  await server.db.updateTable('users').set({ disabled_at: null }).execute()
  const cases: [object, string][] = [
    [{ expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
    [{ expires_at: 'tomorrow' }, '/expires_at'],
    [{ scope: 'admin' }, '/scope'],
    [{ name: '' }, '/name']
  ]
  for (const [changes, pointer] of cases) {
    const answer = await createKey(server, headers, changes)
    t.match(answer.json(), { status: 400, errors: [{ pointer }] })
  }
})

t.test(
  'of many guesses at the password of an open session those beyond the limit are refused, the right one too',
  async (t) => {
    const server = await buildApp(t)
    const { headers } = await signIn(server)
    const change = (current_password: string) =>
      server.inject({
        method: 'PUT',
        url: '/me/password',
        headers,
        payload: { current_password, new_password: NEW_PASSWORD }
      })
    const guesses = Array.from({ length: 30 }, (_, i) => change(`a wrong guess ${i}`))
    const right = change(PASSWORD)
    const statuses = (await Promise.all(guesses)).map(({ statusCode }) => statusCode)
    t.equal(statuses.filter((status) => status === 403).length, 10)
    t.equal(statuses.filter((status) => status === 429).length, 20)
    t.equal((await right).statusCode, 429)
    t.equal((await logIn(server, NEW_PASSWORD)).statusCode, 429)
  }
)

t.test('nobody sees or revokes the keys of others', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const stranger = await signIn(server, 'stranger')
  const { id } = (await createKey(server, headers)).json()
  const list = await server.inject({ url: '/me/keys', headers: stranger.headers })
  t.strictSame(list.json().data, [])
  const revoke = await server.inject({ method: 'DELETE', url: `/me/keys/${id}`, headers: stranger.headers })
  t.match(revoke.json(), { code: 'KEY_NOT_FOUND' })
})
