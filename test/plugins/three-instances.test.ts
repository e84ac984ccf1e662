import type { FastifyInstance, InjectOptions } from 'fastify'
import pg from 'pg'
import type { Test } from 'tap'
import { ENDED_TRANSACTIONS } from '../../db/postgres/engine.ts'
import { engineOf, newDatabase, test } from '../engines.ts'
import { AUTHOR, basic, buildApp, PASSWORD, signIn, signInAdmin } from '../helpers.ts'

type Headers = Record<string, string>
type Who = Awaited<ReturnType<typeof signIn>>

async function buildThree(t: Test): Promise<FastifyInstance[]> {
  const DATABASE_URL = await newDatabase(t)
  const servers: FastifyInstance[] = []
  for (let i = 0; i < 3; i++) servers.push(await buildApp(t, { DATABASE_URL, RATE_LIMIT: 'off' }))
  return servers
}

const send = async (server: FastifyInstance, request: InjectOptions) => {
  const answer = await server.inject(request)
  if (answer.statusCode >= 300) throw new Error(`${request.method} ${request.url} answered ${answer.body}`)
  return answer
}

/** Asks all instances at once. */
const askAll = (servers: FastifyInstance[], request: InjectOptions) =>
  Promise.all(servers.map((server) => server.inject(request)))

/** What ends the sessions of a user. */
const ENDINGS: Record<string, (server: FastifyInstance, admin: Who, user: Who) => Promise<unknown>> = {
  'a logout': (server, _admin, { headers }) => send(server, { method: 'POST', url: '/logout', headers }),
  'an end of the session': async (server, _admin, { headers }) => {
    const { data } = (await send(server, { url: '/me/sessions', headers })).json()
    await send(server, { method: 'DELETE', url: `/me/sessions/${data[0].id}`, headers })
  },
  'a disabled account': (server, { headers }, { id }) =>
    send(server, { method: 'PATCH', url: `/users/${id}`, headers, payload: { disabled: true } }),
  'a deleted account': (server, { headers }, { id }) =>
    send(server, { method: 'DELETE', url: `/users/${id}`, headers }),
  'a new password': async (server, _admin, { headers }) => {
    const { username } = (await send(server, { url: '/me', headers })).json()
    const authorization = basic(username, PASSWORD)
    // By another session, which it leaves as it is.
    const { access_token } = (
      await send(server, { method: 'POST', url: '/login', headers: { authorization } })
    ).json()
    const payload = { current_password: PASSWORD, new_password: 'the satanic verses' }
    const other = { authorization: `Bearer ${access_token}` }
    await send(server, { method: 'PUT', url: '/me/password', headers: other, payload })
  }
}

test('a session that has ended at one instance is good at none', async (t) => {
  const servers = await buildThree(t)
  const admin = await signInAdmin(servers[0] as FastifyInstance)
  for (const [name, end] of Object.entries(ENDINGS)) {
    for (const [on, server] of servers.entries()) {
      const user = await signIn(server, `user-${on}-${name.replaceAll(' ', '-')}`)
      const read = { url: '/authors', headers: user.headers }
      for (const { statusCode } of await askAll(servers, read)) t.equal(statusCode, 200)
      await end(server, admin, user)
      const statuses = (await askAll(servers, read)).map(({ statusCode }) => statusCode)
      t.same(statuses, [401, 401, 401], `${name} at instance ${on}`)
    }
  }
})

test('an API key that was deleted at one instance is good at none', async (t) => {
  const servers = await buildThree(t)
  for (const server of servers) {
    const { headers } = await signIn(server, `user-${servers.indexOf(server)}`)
    const payload = { name: 'script', scope: 'read' }
    const made = (await send(server, { method: 'POST', url: '/me/keys', headers, payload })).json()
    const read = { url: '/authors', headers: { authorization: `Bearer ${made.key}` } }
    for (const { statusCode } of await askAll(servers, read)) t.equal(statusCode, 200)
    await send(server, { method: 'DELETE', url: `/me/keys/${made.id}`, headers })
    const statuses = (await askAll(servers, read)).map(({ statusCode }) => statusCode)
    t.same(statuses, [401, 401, 401])
  }
})

test('a role that was changed at one instance counts at all', async (t) => {
  const servers = await buildThree(t)
  const admin = await signInAdmin(servers[0] as FastifyInstance)
  const user = await signIn(servers[0] as FastifyInstance, 'user')
  let count = 0
  for (const server of servers) {
    for (const [role, status] of [
      ['reader', 403],
      ['editor', 201]
    ] as const) {
      const { headers } = admin
      await send(server, { method: 'PATCH', url: `/users/${user.id}`, headers, payload: { role } })
      const create = (): InjectOptions => ({
        method: 'POST',
        url: '/authors',
        headers: user.headers,
        payload: { ...AUTHOR, book: `Book ${++count}` }
      })
      const answers = await Promise.all(servers.map((one) => one.inject(create())))
      t.same(
        answers.map(({ statusCode }) => statusCode),
        [status, status, status],
        role
      )
    }
  }
})

test('an author who was changed, deleted or restored at one instance is so at all', async (t) => {
  const servers = await buildThree(t)
  const { headers } = await signIn(servers[0] as FastifyInstance)
  const created = await send(servers[0] as FastifyInstance, {
    method: 'POST',
    url: '/authors',
    headers,
    payload: AUTHOR
  })
  const url = `/authors/${created.json().id}`
  const payload = (note: number) => ({ ...AUTHOR, note: String(note) })
  for (const server of [...servers, ...servers]) {
    const changed = await send(server, { method: 'PUT', url, headers, payload: payload(Math.random()) })
    for (const { body, headers: told } of await askAll(servers, { url, headers }))
      t.same([body, told.etag], [changed.body, changed.headers.etag])
    for (const answer of await askAll(servers, { url: '/authors', headers }))
      t.same(answer.json().data, [changed.json()])
    await send(server, { method: 'DELETE', url, headers })
    for (const { statusCode } of await askAll(servers, { url, headers })) t.equal(statusCode, 404)
    for (const answer of await askAll(servers, { url: '/authors', headers })) t.same(answer.json().data, [])
    const restored = await send(server, { method: 'POST', url: `${url}/restore`, headers })
    for (const { body } of await askAll(servers, { url, headers })) t.equal(body, restored.body)
  }
})

/** Who looks for new keys once a second does so for no request. */
const LOOK_FOR_KEYS = /from "signing_keys"/

/** Counts what is sent to the server and waited for, of all connections. */
function countRoundTrips(t: Test) {
  const { query } = pg.Client.prototype
  t.teardown(() => {
    pg.Client.prototype.query = query
  })
  const counted = { statements: [] as string[] }
  pg.Client.prototype.query = function (this: pg.Client, ...args: Parameters<typeof query>) {
    const [statement] = args as unknown as [string | { text: string }]
    const text = typeof statement === 'string' ? statement : statement.text
    if (!LOOK_FOR_KEYS.test(text)) counted.statements.push(text)
    return query.apply(this, args)
  } as typeof query
  return async (work: () => Promise<unknown>) => {
    counted.statements = []
    await work()
    return [...counted.statements]
  }
}

const VERSION = ENDED_TRANSACTIONS

/**
 * What `work` sends when no transaction ends meanwhile: those of all databases of the server count, its own upkeep's too, and after
 * each the service asks what has changed.
 */
function countUndisturbed(url: string, roundTrips: ReturnType<typeof countRoundTrips>) {
  return async (work: () => Promise<unknown>) => {
    const witness = new pg.Client(url)
    await witness.connect()
    const ended = async () => (await witness.query(VERSION)).rows[0].ended
    try {
      for (let attempt = 0; attempt < 20; attempt++) {
        const before = await ended()
        await work()
        const statements = await roundTrips(work)
        if ((await ended()) === before) return statements
      }
      throw new Error('transactions ended during each of 20 attempts')
    } finally {
      await witness.end()
    }
  }
}

test('a cached answer costs one query, which the requests of one tick share', async (t) => {
  if (engineOf(t) === 'sqlite') return t.pass('SQLite is in the process')
  const roundTrips = countRoundTrips(t)
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const created = await send(server, { method: 'POST', url: '/authors', headers, payload: AUTHOR })
  const { etag = '' } = created.headers as Headers
  const url = `/authors/${created.json().slug}`
  const undisturbed = countUndisturbed(server.config.DATABASE_URL, roundTrips)
  const requests: InjectOptions[] = [
    { url, headers },
    { url: `/authors/${created.json().id}`, headers },
    { url, headers: { ...headers, 'if-none-match': etag } },
    { url, headers, method: 'HEAD' },
    { url: '/authors', headers },
    { url: '/authors?owner=me&sort=name', headers }
  ]
  for (const request of requests) await send200(server, request)
  for (const request of requests)
    t.same(
      await undisturbed(() => server.inject(request)),
      [VERSION],
      `${request.method ?? 'GET'} ${request.url}`
    )
  const all = await undisturbed(() =>
    Promise.all([...requests, ...requests].map((request) => server.inject(request)))
  )
  t.same(all, [VERSION], 'twelve at once')
  const other = await buildApp(t, { DATABASE_URL: server.config.DATABASE_URL })
  await send(other, { method: 'PUT', url, headers, payload: { ...AUTHOR, note: 'changed' } })
  const afterChange = await roundTrips(() => server.inject({ url, headers }))
  t.equal(afterChange[0], VERSION)
  t.equal(afterChange.length, 4, 'what has changed of authors and accounts, and the author')
})

async function send200(server: FastifyInstance, request: InjectOptions): Promise<void> {
  const { statusCode } = await server.inject(request)
  if (statusCode !== 200 && statusCode !== 304) throw new Error(`${request.url} answered ${statusCode}`)
}
