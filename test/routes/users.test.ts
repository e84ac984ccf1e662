import t from 'tap'
import { buildApp, signIn } from '../helpers.ts'

t.test('GET /users pages through all users, newest first', async (t) => {
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

t.test('GET /users/{id} gets one user, and never a hash', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  const answer = await server.inject({ url: `/users/${id}`, headers })
  t.strictSame(Object.keys(answer.json()), ['id', 'username', 'created_at'])
  const missing = await server.inject({ url: '/users/019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21', headers })
  t.match(missing.json(), { code: 'USER_NOT_FOUND', status: 404 })
})

t.test('a cursor is of its own list, unchanged', async (t) => {
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
