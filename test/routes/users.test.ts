import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { app, serverOptions } from '../../app.ts'
import { findCredentials } from '../../db/users.ts'
import { COMMANDS } from '../../scripts/user/commands.ts'
import { newDatabase, test } from '../engines.ts'
import { AUTHOR, basic, buildApp, directly, PASSWORD, signIn } from '../helpers.ts'

type Headers = Record<string, string>

test('GET /users pages through all users, newest first', async (t) => {
  const server = await buildApp(t)
  const names = ['anna', 'boris', 'chen', 'dora', 'emil']
  let headers = {}
  for (const name of names) headers = (await signIn(server, name)).headers
  const seen: string[] = []
  let next: string | null = '/users?limit=2'
  let pages = 0
  while (next !== null) {
    const answer: Awaited<ReturnType<typeof server.inject>> = await server.inject({ url: next, headers })
    t.equal(answer.statusCode, 200)
    seen.push(...answer.json().data.map(({ username }: { username: string }) => username))
    next = answer.json().next
    t.equal(answer.headers.link, next === null ? undefined : `<${next}>; rel="next"`)
    pages++
  }
  t.strictSame(seen, names.toReversed())
  t.equal(pages, 3)
})

test('GET /users/{id} gets one user, and never a hash', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  const answer = await server.inject({ url: `/users/${id}`, headers })
  t.strictSame(Object.keys(answer.json()), ['id', 'username', 'role', 'disabled', 'created_at'])
  const missing = await server.inject({ url: '/users/019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21', headers })
  t.match(missing.json(), { code: 'USER_NOT_FOUND', status: 404 })
})

test('a cursor is of its own list, unchanged', async (t) => {
  const server = await buildApp(t)
  await signIn(server, 'anna')
  const { headers } = await signIn(server, 'boris')
  const { next } = (await server.inject({ url: '/users?limit=1', headers })).json()
  const cursor = new URL(next, 'http://x').searchParams.get('cursor') as string
  t.equal((await server.inject({ url: `/users?cursor=${cursor}`, headers })).statusCode, 200)
  const forged = [
    cursor.slice(1),
    `${cursor}A`,
    'x',
    Buffer.from("' or 1=1 --").toString('base64url'),
    cursor.toLowerCase()
  ]
  for (const value of forged) {
    const answer = await server.inject({ url: `/users?cursor=${value}`, headers })
    t.match(answer.json(), { code: 'INVALID_CURSOR', status: 400 }, value)
  }
  const elsewhere = await server.inject({ url: `/authors?cursor=${cursor}`, headers })
  t.match(elsewhere.json(), { code: 'INVALID_CURSOR' }, 'a cursor of another list')
  const empty = await server.inject({ url: '/users?cursor=', headers })
  t.match(empty.json(), { code: 'VALIDATION_FAILED' })
})

async function makeAdmin(t: Test, server: FastifyInstance, id: string) {
  await directly(t, server).updateTable('users').set({ role: 'admin' }).where('id', '=', id).execute()
}

const change = (server: FastifyInstance, id: string, headers: Headers, payload: object) =>
  server.inject({ method: 'PATCH', url: `/users/${id}`, headers, payload })

test('an admin changes roles, and a role takes effect on the next request', async (t) => {
  const server = await buildApp(t)
  const admin = await signIn(server, 'admin')
  const user = await signIn(server, 'salman')
  const create = (headers: Headers, book: string) =>
    server.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, book } })
  t.match((await change(server, user.id, admin.headers, { role: 'reader' })).json(), {
    code: 'ROLE_REQUIRED',
    status: 403
  })
  await makeAdmin(t, server, admin.id)
  t.equal((await create(user.headers, 'One')).statusCode, 201)
  t.match((await change(server, user.id, admin.headers, { role: 'reader' })).json(), {
    id: user.id,
    role: 'reader'
  })
  const type = { 'content-type': 'application/merge-patch+json' }
  const again = await change(server, user.id, { ...admin.headers, ...type }, { disabled: false })
  t.match(again.json(), { role: 'reader', disabled: false }, 'what is left out stays')
  t.match((await create(user.headers, 'Two')).json(), { code: 'ROLE_REQUIRED', detail: /editor/ })
  t.equal((await server.inject({ url: '/authors', headers: user.headers })).statusCode, 200)
  const edited = { ...AUTHOR, book: 'By the admin' }
  const put = { method: 'PUT', url: '/authors/salman-rushdie', payload: edited } as const
  t.equal(
    (await server.inject({ ...put, headers: user.headers })).statusCode,
    403,
    'a reader not even their own'
  )
  t.match((await server.inject({ ...put, headers: admin.headers })).json(), {
    book: 'By the admin',
    owner_id: user.id
  })
  const gone = '019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21'
  t.match((await change(server, gone, admin.headers, { role: 'reader' })).json(), { code: 'USER_NOT_FOUND' })
  for (const payload of [{}, { role: 'god' }, { disabled: 'true' }, { username: 'x' }]) {
    t.equal((await change(server, user.id, admin.headers, payload)).statusCode, 400, JSON.stringify(payload))
  }
})

test('a disabled user is out at once, everywhere, until enabled', async (t) => {
  const server = await buildApp(t)
  const admin = await signIn(server, 'admin')
  await makeAdmin(t, server, admin.id)
  const user = await signIn(server, 'salman')
  const me = async () => (await server.inject({ url: '/me', headers: user.headers })).statusCode
  const logIn = () =>
    server.inject({ method: 'POST', url: '/login', headers: { authorization: basic('salman', PASSWORD) } })
  t.match((await change(server, user.id, admin.headers, { disabled: true })).json(), { disabled: true })
  t.equal(await me(), 401)
  t.match((await logIn()).json(), { code: 'INVALID_CREDENTIALS' })
  t.match((await change(server, user.id, admin.headers, { disabled: false })).json(), { disabled: false })
  t.equal(await me(), 401, 'the sessions of before stay ended')
  t.equal((await logIn()).statusCode, 200)
})

test('an admin deletes users', async (t) => {
  const server = await buildApp(t)
  const admin = await signIn(server, 'admin')
  const user = await signIn(server, 'salman')
  const remove = (headers: Headers) => server.inject({ method: 'DELETE', url: `/users/${user.id}`, headers })
  t.match((await remove(admin.headers)).json(), { code: 'ROLE_REQUIRED' })
  await makeAdmin(t, server, admin.id)
  t.equal((await remove(admin.headers)).statusCode, 204)
  t.equal((await server.inject({ url: '/me', headers: user.headers })).statusCode, 401)
  t.match((await remove(admin.headers)).json(), { code: 'USER_NOT_FOUND' })
})

test('the last admin can neither be demoted, disabled nor deleted, not even by two at once', async (t) => {
  const server = await buildApp(t)
  const one = await signIn(server, 'one')
  await makeAdmin(t, server, one.id)
  for (const payload of [{ role: 'editor' }, { role: 'reader' }, { disabled: true }]) {
    t.match((await change(server, one.id, one.headers, payload)).json(), { code: 'LAST_ADMIN', status: 409 })
  }
  const remove = { method: 'DELETE', headers: one.headers } as const
  t.match((await server.inject({ ...remove, url: `/users/${one.id}` })).json(), { code: 'LAST_ADMIN' })
  t.match((await server.inject({ ...remove, url: '/me', payload: { password: PASSWORD } })).json(), {
    code: 'LAST_ADMIN'
  })
  t.equal((await change(server, one.id, one.headers, { role: 'admin', disabled: false })).statusCode, 200)

  const two = await signIn(server, 'two')
  await makeAdmin(t, server, two.id)
  const answers = await Promise.all([
    change(server, one.id, two.headers, { role: 'editor' }),
    change(server, two.id, one.headers, { role: 'editor' })
  ])
  t.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 1)
})

test('admins read what was done to an account, when and by whom', async (t) => {
  const server = await buildApp(t)
  const admin = await signIn(server, 'admin')
  const user = await signIn(server, 'olga')
  await makeAdmin(t, server, admin.id)
  const history = (query = '', headers: Headers = admin.headers) =>
    server.inject({ url: `/users/${user.id}/history${query}`, headers })
  await change(server, user.id, admin.headers, { role: 'reader' })
  await change(server, user.id, admin.headers, { role: 'reader', disabled: false })
  const created = await server.inject({
    method: 'POST',
    url: '/me/keys',
    headers: user.headers,
    payload: { name: 'k', scope: 'read' }
  })
  const key = created.json()
  await server.inject({ method: 'DELETE', url: `/me/keys/${key.id}`, headers: user.headers })
  const password = {
    current_password: PASSWORD,
    new_password: 'the satanic verses of olga'
  }
  await server.inject({ method: 'PUT', url: '/me/password', headers: user.headers, payload: password })
  await change(server, user.id, admin.headers, { role: 'editor', disabled: true })
  await change(server, user.id, admin.headers, { disabled: false })

  const ownId = { actor_id: user.id, operator: null }
  const byAdmin = { actor_id: admin.id, operator: null, key_id: null }
  const all = (await history()).json()
  t.match(all.data, [
    { entry: 8, action: 'enabled', ...byAdmin, old_role: null },
    { entry: 7, action: 'disabled', ...byAdmin },
    { entry: 6, action: 'role_changed', ...byAdmin, old_role: 'reader', new_role: 'editor' },
    { entry: 5, action: 'password_changed', ...ownId },
    { entry: 4, action: 'key_revoked', ...ownId, key_id: key.id },
    { entry: 3, action: 'key_created', ...ownId, key_id: key.id },
    { entry: 2, action: 'role_changed', ...byAdmin, old_role: 'editor', new_role: 'reader' },
    { entry: 1, at: /^20.*Z$/, action: 'registered', ...ownId, new_role: 'editor' }
  ])
  t.equal(all.data.length, 8, 'what was so already is no entry')
  const first = (await history('?limit=5')).json()
  const rest = (await server.inject({ url: first.next, headers: admin.headers })).json()
  t.strictSame([...first.data, ...rest.data], all.data)
  t.equal(rest.next, null)

  const script = { authorization: `Bearer ${key.key}` }
  t.equal((await history('', script)).statusCode, 401)
  const stranger = await signIn(server, 'stranger')
  t.match((await history('', stranger.headers)).json(), { code: 'ROLE_REQUIRED' })
  const keyed = await server.inject({
    method: 'POST',
    url: '/me/keys',
    headers: admin.headers,
    payload: { name: 'k', scope: 'read' }
  })
  const ofAdmin = { authorization: `Bearer ${keyed.json().key}` }
  t.match((await history('', ofAdmin)).json(), { code: 'ACCESS_TOKEN_ONLY' })
  const missing = await server.inject({ url: '/users/nobody/history', headers: admin.headers })
  t.match(missing.json(), { code: 'USER_NOT_FOUND' })

  await server.inject({ method: 'DELETE', url: `/users/${user.id}`, headers: admin.headers })
  t.equal((await server.inject({ url: `/users/${user.id}`, headers: admin.headers })).statusCode, 404)
  const left = (await history()).json().data
  t.match(left[0], { entry: 9, action: 'deleted', ...byAdmin })
  t.equal(left.length, 9)
  t.ok(
    left.every((entry: Record<string, unknown>) =>
      [entry.old_role, entry.new_role, entry.key_id].every((detail) => detail === null)
    ),
    'no more than what was done, when and by whom'
  )
})

test('what an operator does to an account is told with the account on the host', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL })
  const admin = await signIn(server, 'admin')
  const config = { ...server.config, RATE_LIMIT: 'off' as const }
  const beside = Fastify(serverOptions(config)) as FastifyInstance
  t.teardown(() => beside.close())
  await beside.register(app, { config, operator: 'ann as root@shelf' })
  for (const [command, name] of [
    ['promote', 'admin'],
    ['create', 'dora'],
    ['promote', 'dora'],
    ['demote', 'dora'],
    ['disable', 'dora'],
    ['enable', 'dora'],
    ['unlock', 'dora']
  ] as const)
    await COMMANDS[command]?.(beside, name)
  const wrong = { authorization: basic('dora', 'a wrong password here') }
  await server.inject({ method: 'POST', url: '/login', headers: wrong })
  const code = /the code (\S+)$/.exec((await COMMANDS['reset-password']?.(beside, 'dora')) ?? '')?.[1]
  const payload = { username: 'dora', code, new_password: 'a password of my own' }
  t.equal((await server.inject({ method: 'POST', url: '/password-reset', payload })).statusCode, 204)
  const { id } = (await findCredentials(server.db, 'dora')) as { id: string }
  const { data } = (
    await server.inject({ url: `/users/${id}/history?limit=100`, headers: admin.headers })
  ).json()
  t.strictSame(
    data.map(({ action, actor_id, operator }: Record<string, string>) => [action, actor_id, operator]),
    [
      ['password_reset', id, null],
      ...[
        'unlocked',
        'reset_code_created',
        'enabled',
        'disabled',
        'role_changed',
        'role_changed',
        'reset_code_created',
        'created'
      ].map((action) => [action, null, 'ann as root@shelf'])
    ]
  )
})
