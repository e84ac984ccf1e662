import type { FastifyInstance } from 'fastify'
import { test } from '../engines.ts'
import { basic, buildApp, directly, PASSWORD, signIn } from '../helpers.ts'

interface Pair {
  access_token: string
  refresh_token: string
}

async function logIn(server: FastifyInstance, username = 'salman', agent = 'a browser'): Promise<Pair> {
  const headers = { authorization: basic(username, PASSWORD), 'user-agent': agent }
  return (await server.inject({ method: 'POST', url: '/login', headers })).json()
}

function bearer({ access_token }: Pick<Pair, 'access_token'>) {
  return { authorization: `Bearer ${access_token}` }
}

function refresh(server: FastifyInstance, refresh_token: string) {
  return server.inject({ method: 'POST', url: '/refresh', payload: { refresh_token } })
}

async function me(server: FastifyInstance, pair: Pick<Pair, 'access_token'>): Promise<number> {
  return (await server.inject({ url: '/me', headers: bearer(pair) })).statusCode
}

/** Moves the clock for the rest of the test. */
function advance(t: Tap, milliseconds: number): void {
  const { now } = Date
  const RealDate = Date
  const moved = () => now() + milliseconds
  t.teardown(() => {
    globalThis.Date = RealDate
  })
  globalThis.Date = class extends RealDate {
    constructor(...args: []) {
      super(...((args.length === 0 ? [moved()] : args) as []))
    }
    static override now = moved
  } as DateConstructor
}
type Tap = { teardown(work: () => void): void }

test('POST /refresh gives the next pair, and both work', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const first = await logIn(server)
  const answer = await refresh(server, first.refresh_token)
  t.match(answer, { statusCode: 200, headers: { 'cache-control': 'no-store' } })
  const second = answer.json()
  t.match(second, { token_type: 'Bearer', expires_in: 600 })
  t.not(second.refresh_token, first.refresh_token)
  t.equal(await me(server, first), 200, 'the access token before is good until its time is over')
  t.equal(await me(server, second), 200)
  t.equal((await refresh(server, second.refresh_token)).statusCode, 200)
})

test('a client that lost the answer gets the same one again for 30 seconds', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const { refresh_token } = await logIn(server)
  const first = await refresh(server, refresh_token)
  const again = await refresh(server, refresh_token)
  t.strictSame(again.json(), first.json())
  advance(t, 31_000)
  t.match((await refresh(server, refresh_token)).json(), { code: 'INVALID_REFRESH_TOKEN', status: 401 })
  t.equal(await me(server, first.json()), 401, 'and later its session has ended')
})

test('50 simultaneous refreshes leave one working pair', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const { refresh_token } = await logIn(server)
  const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(server, refresh_token)))
  t.equal(new Set(answers.map(({ body }) => body)).size, 1)
  const pair = answers[0]?.json()
  t.equal(await me(server, pair), 200)
  t.equal((await refresh(server, pair.refresh_token)).statusCode, 200)
})

test('a stolen old token ends the session, and the user can see why', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const stolen = await logIn(server, 'salman', 'the phone')
  const second = (await refresh(server, stolen.refresh_token)).json()
  const third = (await refresh(server, second.refresh_token)).json()
  t.match(await refresh(server, stolen.refresh_token), {
    statusCode: 401,
    headers: { 'www-authenticate': /^Bearer realm="library", error="invalid_token"/ }
  })
  t.equal(await me(server, third), 401)
  t.equal((await refresh(server, third.refresh_token)).statusCode, 401)
  const other = await logIn(server)
  const sessions = (await server.inject({ url: '/me/sessions', headers: bearer(other) })).json().data
  t.match(
    sessions.find(({ user_agent }: { user_agent: string }) => user_agent === 'the phone'),
    { end_reason: 'token_reused', ended_at: /Z$/, current: false }
  )
})

test('what is no refresh token changes nothing', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const pair = await logIn(server)
  const [, id] = /^lrt_([0-9a-f-]+)\./.exec(pair.refresh_token) ?? []
  const last = pair.refresh_token.at(-1) === 'A' ? 'E' : 'A'
  const madeUp = [
    '',
    'x',
    pair.access_token,
    'lrt_',
    `lrt_${id}.${'A'.repeat(22)}.${'A'.repeat(43)}`,
    `lrt_019ab3f4-5c1e-7d02-8a67-1f0e9b3c5d21.${'A'.repeat(22)}.${'A'.repeat(43)}`,
    pair.refresh_token.slice(0, -1),
    `${pair.refresh_token}A`,
    "' or 1=1 --"
  ]
  for (const token of madeUp)
    t.match((await refresh(server, token)).json(), { code: 'INVALID_REFRESH_TOKEN' }, token)
  t.equal(
    await me(server, { access_token: pair.refresh_token }),
    401,
    'nor is a refresh token an access token'
  )
  t.equal(await me(server, pair), 200)
  const tampered = pair.refresh_token.slice(0, -1) + last
  t.equal((await refresh(server, tampered)).statusCode, 401)
  t.equal(await me(server, pair), 401, 'but who knows the family and not the secret has an old one')
})

test('a session ends when it idles too long, and whatever happens at its end', async (t) => {
  const server = await buildApp(t, { SESSION_IDLE_TTL: 1000, SESSION_TTL: 2000 })
  await signIn(server)
  const idle = await logIn(server)
  advance(t, 1_001_000)
  t.equal((await refresh(server, idle.refresh_token)).statusCode, 401)
  const kept = await logIn(server)
  advance(t, 900_000)
  const next = (await refresh(server, kept.refresh_token)).json()
  t.equal(await me(server, next), 200)
  advance(t, 900_000)
  const last = (await refresh(server, next.refresh_token)).json()
  advance(t, 250_000)
  t.equal(await me(server, last), 401, 'also for an access token that has not expired')
})

test('POST /logout ends this session, all others, or all', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const [one, two, three] = [await logIn(server), await logIn(server), await logIn(server)]
  const logOut = (pair: Pair, query = '') =>
    server.inject({ method: 'POST', url: `/logout${query}`, headers: bearer(pair) })
  t.match(await logOut(one), { statusCode: 204, body: '' })
  t.strictSame([await me(server, one), await me(server, two), await me(server, three)], [401, 200, 200])
  t.equal((await refresh(server, one.refresh_token)).statusCode, 401)
  t.equal((await logOut(one)).statusCode, 401)
  t.equal((await logOut(two, '?scope=others')).statusCode, 204)
  t.strictSame([await me(server, two), await me(server, three)], [200, 401])
  const four = await logIn(server)
  t.equal((await logOut(two, '?scope=all')).statusCode, 204)
  t.strictSame([await me(server, two), await me(server, four)], [401, 401])
  t.equal((await logOut(await logIn(server), '?scope=everything')).statusCode, 400)
})

test('GET /me/sessions lists mine, and DELETE ends one of them', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const stranger = await signIn(server, 'stranger')
  const [one, two] = [await logIn(server, 'salman', 'x'.repeat(5000)), await logIn(server)]
  const list = async (pair: Pair) =>
    (await server.inject({ url: '/me/sessions', headers: bearer(pair) })).json().data
  const sessions = await list(two)
  t.equal(sessions.length, 3, 'with the one of the sign-in')
  t.strictSame(
    sessions.map(({ current }: { current: boolean }) => current),
    [true, false, false]
  )
  t.equal(sessions[1].user_agent.length, 300)
  t.notMatch(JSON.stringify(sessions), /hash|salt/)
  const end = (id: string, headers: object = bearer(two)) =>
    server.inject({ method: 'DELETE', url: `/me/sessions/${id}`, headers: headers as Record<string, string> })
  t.equal((await end(sessions[1].id, stranger.headers)).statusCode, 404, 'not those of others')
  t.equal((await end(sessions[1].id)).statusCode, 204)
  t.equal(await me(server, one), 401)
  t.match((await end(sessions[1].id)).json(), { code: 'SESSION_NOT_FOUND' })
  t.match((await list(two))[1], { end_reason: 'revoked' })
})

test('sessions that ended long ago are forgotten', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  await logIn(server)
  advance(t, 40 * 86_400_000)
  await logIn(server)
  await server.housekeeping.run()
  const { n } = await server.db
    .selectFrom('sessions')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  t.equal(n, 1)
})

const ENDINGS: Record<
  string,
  (server: FastifyInstance, pair: Pair, admin: Pair, id: string) => Promise<{ statusCode: number }>
> = {
  'a logout': (server, pair) => server.inject({ method: 'POST', url: '/logout', headers: bearer(pair) }),
  'a logout of all from another session': async (server) =>
    server.inject({ method: 'POST', url: '/logout?scope=all', headers: bearer(await logIn(server)) }),
  'a password change in another session': async (server) =>
    server.inject({
      method: 'PUT',
      url: '/me/password',
      headers: bearer(await logIn(server)),
      payload: { current_password: PASSWORD, new_password: 'shalimar the clown' }
    }),
  'being disabled': (server, _pair, admin, id) =>
    server.inject({
      method: 'PATCH',
      url: `/users/${id}`,
      headers: bearer(admin),
      payload: { disabled: true }
    }),
  'being deleted': (server, _pair, admin, id) =>
    server.inject({ method: 'DELETE', url: `/users/${id}`, headers: bearer(admin) })
}

for (const [ending, end] of Object.entries(ENDINGS)) {
  test(`after the 2xx of ${ending} none of 1,000 racing requests that start later is accepted`, async (t) => {
    const server = await buildApp(t)
    const { id: adminId } = await signIn(server, 'admin')
    await directly(t, server).updateTable('users').set({ role: 'admin' }).where('id', '=', adminId).execute()
    const { id } = await signIn(server)
    const [pair, admin] = [await logIn(server), await logIn(server, 'admin')]
    let isOver = false
    const racing: Promise<{ startedLater: boolean; status: number }>[] = []
    const race = (count: number) => {
      for (let i = 0; i < count; i++) {
        const startedLater = isOver
        racing.push(me(server, pair).then((status) => ({ startedLater, status })))
      }
    }
    race(200)
    const ended = end(server, pair, admin, id).then(({ statusCode }) => {
      isOver = true
      return statusCode
    })
    race(200)
    t.match(String(await ended), /^20[04]$/)
    race(1000)
    const late = (await Promise.all(racing)).filter(({ startedLater }) => startedLater)
    t.equal(late.length, 1000)
    t.strictSame([...new Set(late.map(({ status }) => status))], [401])
  })
}
