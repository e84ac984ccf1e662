import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { test } from '../engines.ts'
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
