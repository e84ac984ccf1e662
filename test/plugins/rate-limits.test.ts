import type { FastifyInstance } from 'fastify'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { app, serverOptions } from '../../app.ts'
import { type Config, loadConfig } from '../../config.ts'
import { addPoints } from '../../db/rate-limits.ts'
import { newDatabase, test } from '../engines.ts'
import { basic, buildApp, directly, holdRightPassword, PASSWORD } from '../helpers.ts'

const HOME = '192.0.2.1'
const ELSEWHERE = '198.51.100.7'
const MINUTE = 60_000

interface Try {
  username?: string
  password?: string
  from?: string
  headers?: Record<string, string>
}

const register = (server: FastifyInstance, username = 'salman', from = HOME) =>
  server.inject({
    method: 'POST',
    url: '/register',
    remoteAddress: from,
    payload: { username, password: PASSWORD }
  })

const login = (
  server: FastifyInstance,
  { username = 'salman', password = PASSWORD, from = HOME, headers }: Try
) =>
  server.inject({
    method: 'POST',
    url: '/login',
    remoteAddress: from,
    headers: { authorization: basic(username, password), ...headers }
  })

async function statuses(times: number, attempt: (i: number) => Promise<{ statusCode: number }>) {
  const answers: number[] = []
  for (let i = 0; i < times; i++) answers.push((await attempt(i)).statusCode)
  return answers
}

/** The service with the lines of its log. */
async function buildLogging(t: Test, overrides: Partial<Config>) {
  const lines: string[] = []
  const config = {
    ...loadConfig({ DATABASE_URL: await newDatabase(t) }),
    ...overrides
  }
  const options = serverOptions(config)
  const logger = { ...(options.logger as object), stream: { write: (line: string) => void lines.push(line) } }
  const server = Fastify({ ...options, logger } as typeof options)
  t.teardown(() => server.close())
  await server.register(app, { config })
  await server.ready()
  return { server, lines }
}

/** Counts failures as the login does, without the hashing. */
async function fail(
  server: FastifyInstance,
  times: number,
  username: string,
  address: (i: number) => string
) {
  for (let i = 0; i < times; i++) await server.rateLimits.login.failed(username, address(i))
}

/** A clock that only the test moves. */
function stopTheClock(t: Test) {
  const { now } = Date
  let time = now()
  Date.now = () => time
  t.teardown(() => {
    Date.now = now
  })
  return {
    advance(milliseconds: number) {
      time += milliseconds
    }
  }
}

test('after ten wrong passwords an address is refused at this account, the right password included', async (t) => {
  const clock = stopTheClock(t)
  const server = await buildApp(t)
  await register(server)
  const wrong = () => login(server, { password: 'wrong' })
  const first = await wrong()
  t.match(first.headers, { 'ratelimit-policy': '"login";q=10;w=900', ratelimit: '"login";r=9;t=900' })
  t.strictSame(await statuses(9, wrong), Array(9).fill(401))
  clock.advance(MINUTE)

  const refused = await login(server, {})
  t.equal(refused.statusCode, 429)
  t.match(refused.headers, {
    'content-type': /^application\/problem\+json/,
    'cache-control': 'no-store',
    'retry-after': '840',
    'ratelimit-policy': '"login";q=10;w=900',
    ratelimit: '"login";r=0;t=840'
  })
  t.match(refused.json(), {
    type: '/problems/too-many-requests',
    code: 'TOO_MANY_REQUESTS',
    detail:
      'There were too many failed logins to this account from your address; the next try is taken in 840 seconds.'
  })
  t.equal((await login(server, { username: 'SALMAN' })).statusCode, 429, 'however the name is written')
  t.equal(
    (await login(server, { username: 'other', password: 'x' })).statusCode,
    401,
    'not at another account'
  )

  clock.advance(14 * MINUTE)
  t.equal((await login(server, {})).statusCode, 200, 'and it is over when it was said')
})

test('a success forgets the failures, and tells what is left', async (t) => {
  const server = await buildApp(t)
  await register(server)
  for (const round of [1, 2]) {
    await fail(server, 9, 'salman', () => HOME)
    const answer = await login(server, {})
    t.equal(answer.statusCode, 200, `round ${round}`)
    t.match(answer.headers, { 'ratelimit-policy': '"login";q=10;w=900', ratelimit: '"login";r=10;t=900' })
  }
})

test('wrong passwords at the same moment learn no more than one after another', async (t) => {
  const server = await buildApp(t)
  await register(server)
  const release = holdRightPassword(server)
  const right = login(server, {})
  const tries = Array.from({ length: 30 }, () => login(server, { password: 'wrong' }))
  const answers = await Promise.all(tries)
  release()
  t.equal(answers.filter(({ statusCode }) => statusCode === 401).length, 10)
  t.equal(answers.filter(({ statusCode }) => statusCode === 429).length, 20)
  t.equal((await right).statusCode, 429, 'nor does the right one amid them')
})

test('many logins at the same moment with the right password are no attack', async (t) => {
  const server = await buildApp(t)
  await register(server)
  const answers = await Promise.all(Array.from({ length: 30 }, () => login(server, {})))
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    Array(30).fill(200)
  )
})

test('an address that tries account after account is refused at all of them', async (t) => {
  const clock = stopTheClock(t)
  const server = await buildApp(t)
  await register(server)
  for (let i = 0; i < 100; i++) await fail(server, 1, `user${i}`, () => ELSEWHERE)
  const refused = await login(server, { from: ELSEWHERE })
  t.match(refused, { statusCode: 429, headers: { 'ratelimit-policy': '"login-address";q=100;w=3600' } })
  t.equal((await login(server, {})).statusCode, 200, 'and no other address')
  clock.advance(60 * MINUTE)
  t.equal((await login(server, { from: ELSEWHERE })).statusCode, 200)
})

test('an account that many addresses try is slowed ever more, and never shut', async (t) => {
  const clock = stopTheClock(t)
  const server = await buildApp(t)
  await register(server)
  const stranger = (i: number) => `203.0.113.${i}`
  await fail(server, 50, 'salman', stranger)
  t.equal(
    (await login(server, { from: stranger(100), password: 'wrong' })).statusCode,
    401,
    'the first has a turn'
  )
  const refused = await login(server, { from: stranger(101) })
  t.match(refused, {
    statusCode: 429,
    headers: { 'retry-after': '2', 'ratelimit-policy': '"login-account";q=1;w=2' }
  })
  clock.advance(2000)
  t.equal((await login(server, { from: stranger(101) })).statusCode, 200, 'and then somebody has the next')

  await fail(server, 200, 'salman', (i) => `203.0.113.${i % 250}`)
  clock.advance(2000)
  t.equal((await login(server, { from: stranger(251), password: 'wrong' })).statusCode, 401)
  const later = await login(server, { from: stranger(252) })
  t.equal(later.headers['retry-after'], '60', 'a minute at most')
  t.equal(
    (await login(server, { from: stranger(101) })).statusCode,
    200,
    'who has logged in before need not wait'
  )
})

test('strangers at the same moment get one turn of a slowed account', async (t) => {
  const server = await buildApp(t)
  await fail(server, 50, 'salman', (i) => `203.0.113.${i}`)
  const checks = Array.from({ length: 20 }, (_, i) =>
    server.rateLimits.login.check('salman', `198.51.100.${i}`)
  )
  const settled = await Promise.allSettled(checks)
  t.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('200 wrong passwords from elsewhere never lock the owner out at home', async (t) => {
  const clock = stopTheClock(t)
  const server = await buildApp(t)
  await register(server)
  t.equal((await login(server, {})).statusCode, 200)
  const answers = await statuses(200, (i) => login(server, { password: `wrong ${i}`, from: ELSEWHERE }))
  t.strictSame(answers, [...Array(10).fill(401), ...Array(190).fill(429)])
  t.equal((await login(server, {})).statusCode, 200)
  await fail(server, 200, 'salman', (i) => `203.0.113.${i}`)
  t.equal((await login(server, {})).statusCode, 200, 'nor 200 from as many addresses')

  clock.advance(89.5 * 24 * 60 * MINUTE)
  t.equal((await login(server, {})).statusCode, 200)
  clock.advance(89.5 * 24 * 60 * MINUTE)
  await fail(server, 50, 'salman', (i) => `203.0.113.${i}`)
  await server.rateLimits.login.check('salman', ELSEWHERE)
  t.equal((await login(server, {})).statusCode, 200, 'each login is remembered for 90 days')
  clock.advance(91 * 24 * 60 * MINUTE)
  await fail(server, 50, 'salman', (i) => `203.0.113.${i}`)
  await server.rateLimits.login.check('salman', ELSEWHERE)
  t.equal((await login(server, {})).statusCode, 429, 'and no longer')
})

test('a request without well-formed credentials costs nothing', async (t) => {
  const server = await buildApp(t)
  await register(server)
  const malformed = ['Basic', 'Basic !!!', 'Bearer x', `Basic ${btoa('no-colon')}`]
  for (let i = 0; i < 20; i++) {
    const headers = { authorization: malformed[i % 4] as string }
    t.equal((await login(server, { headers })).statusCode, 401)
  }
  const rows = await server.db.selectFrom('rate_limits').selectAll().execute()
  t.equal(rows.length, 1, 'only the registration is counted')
  const refused = await server.inject({ method: 'POST', url: '/register', remoteAddress: HOME, payload: {} })
  t.equal(refused.statusCode, 400)
  t.strictSame(await server.db.selectFrom('rate_limits').selectAll().execute(), rows)
})

test('an address registers so many users an hour', async (t) => {
  const clock = stopTheClock(t)
  const server = await buildApp(t)
  const answer = await register(server)
  t.equal(answer.statusCode, 201)
  t.match(answer.headers, {
    'ratelimit-policy': '"registration";q=60;w=3600',
    ratelimit: '"registration";r=59;t=3600'
  })
  t.strictSame(await statuses(59, () => register(server)), Array(59).fill(409), 'a taken name counts too')
  const refused = await register(server, 'ahmed')
  t.match(refused, { statusCode: 429, headers: { 'retry-after': '3600' } })
  t.match(refused.json(), { detail: /^There were too many registrations from your address; / })
  t.equal((await register(server, 'ahmed', ELSEWHERE)).statusCode, 201)
  clock.advance(60 * MINUTE)
  t.equal((await register(server, 'saleem')).statusCode, 201)
})

test('refreshing and password resets have limits of their own', async (t) => {
  const server = await buildApp(t)
  const { refresh, passwordReset } = server.rateLimits
  const refused = { code: 'TOO_MANY_REQUESTS' }
  for (let i = 0; i < 300; i++) await refresh.consume(HOME)
  await t.rejects(refresh.consume(HOME), refused)
  t.match(await refresh.consume(ELSEWHERE), { remaining: 299 })

  for (let i = 0; i < 5; i++) t.match(await passwordReset.consume('salman', HOME), { remaining: 4 - i })
  await t.rejects(passwordReset.consume('salman', HOME), refused)
  await passwordReset.consume('salman', ELSEWHERE)
  for (let i = 0; i < 15; i++) await passwordReset.consume(`user${i}`, HOME)
  await t.rejects(passwordReset.consume('saleem', HOME), refused)
})

test('a restart keeps the counts, and two processes share them', async (t) => {
  const server = await buildApp(t)
  await register(server)
  const again = await buildApp(t, { DATABASE_URL: server.config.DATABASE_URL })
  await fail(server, 5, 'salman', () => HOME)
  await fail(again, 5, 'salman', () => HOME)
  t.strictSame([(await login(server, {})).statusCode, (await login(again, {})).statusCode], [429, 429])
  await server.close()
  await again.close()
  const restarted = await buildApp(t, { DATABASE_URL: server.config.DATABASE_URL })
  t.equal((await login(restarted, {})).statusCode, 429)
})

test('an IPv6 client is its /64, and one in IPv4 is the same in both spellings', async (t) => {
  const server = await buildApp(t)
  const { failed, check } = server.rateLimits.login
  const cases: [string, string, string][] = [
    ['2001:db8:1:2:aaaa::1', '2001:DB8:1:2:bbbb:cccc:dddd:eeee', '2001:db8:1:3::1'],
    ['fe80::1%eth0', 'fe80::2', 'fe80:0:0:1::2'],
    ['::1', '0:0:0:0:1::', '0:0:0:1::'],
    [`::ffff:${HOME}`, HOME, `::ffff:${ELSEWHERE}`],
    ['rubbish', 'rubbish', 'other rubbish']
  ]
  for (const [address, same, other] of cases) {
    for (let i = 0; i < 10; i++) await failed(address, address)
    await t.rejects(check(address, same), { code: 'TOO_MANY_REQUESTS' }, `${address} is ${same}`)
    await t.resolves(check(address, other), `${address} is not ${other}`)
  }
})

test('X-Forwarded-For is believed from a trusted proxy alone', async (t) => {
  const from = async (TRUST_PROXY: string, remoteAddress: string, forwarded: string) => {
    const server = await buildApp(t, { TRUST_PROXY })
    await fail(server, 10, 'salman', () => '203.0.113.9')
    const headers = { 'x-forwarded-for': forwarded }
    return (await login(server, { password: 'wrong', from: remoteAddress, headers })).statusCode
  }
  t.equal(await from('', HOME, '203.0.113.9'), 401, 'by default nobody can speak for another')
  t.equal(await from('', '203.0.113.9', HOME), 429, 'nor escape')
  t.equal(await from('loopback, 192.0.2.0/24', HOME, '203.0.113.9'), 429)
  t.equal(
    await from('192.0.2.1', HOME, '1.2.3.4, 203.0.113.9'),
    429,
    'what the client itself made up does not count'
  )
  t.equal(await from('loopback', HOME, '203.0.113.9'), 401)
})

t.test('a forwarded address counts and is logged as what it is, however a proxy writes it', async (t) => {
  const { server, lines } = await buildLogging(t, { TRUST_PROXY: 'loopback, 192.0.2.0/24, 2001:db8:ff::/48' })
  const addressFor = async (forwarded: string | string[], from = HOME) => {
    lines.length = 0
    const headers = { 'x-forwarded-for': forwarded as string }
    t.equal((await server.inject({ url: '/me', remoteAddress: from, headers })).statusCode, 401)
    return JSON.parse(lines.find((line) => line.includes('access_refused')) as string).address
  }
  const client = '198.51.100.23'
  const client6 = '2001:db8:a:b::c'
  const spellings = {
    [client]: [
      client,
      `  ${client}\t`,
      `${client}:52311`,
      `"${client}:52311"`,
      `[::ffff:${client}]:443`,
      `::FFFF:${client}`,
      '::ffff:c633:6417',
      `${client}:_hidden-port`,
      `10.9.8.7, ${client}:80, 192.0.2.44:8443`,
      `${client}, [2001:DB8:ff::7]:443, 127.0.0.1:80, "[::1]:9"`,
      `${client},, 192.0.2.3 ,`
    ],
    [client6]: [
      client6,
      `[${client6}]`,
      `[${client6}]:4711`,
      `"[2001:0DB8:A:B:0::C]:4711"`,
      `${client6}%eth0`
    ],
    [HOME]: [
      'unknown',
      '_hidden',
      '',
      ' , ,',
      `${client}, unknown`,
      'for=198.51.100.23',
      '198.51.100.023',
      '2130706433',
      '0x7f.1',
      `${client}:80:80`,
      `[${client6}`,
      `[${client}]:`.repeat(900),
      'x'.repeat(9000)
    ],
    '192.0.2.3': [`${client}, nonsense, 192.0.2.3:1`, `${client}, 127.1, 192.0.2.3`]
  }
  for (const [address, ways] of Object.entries(spellings))
    for (const way of ways) t.equal(await addressFor(way), address, way.slice(0, 80))
  t.equal(await addressFor([`${client}:1`, '192.0.2.9:2']), client, 'several header lines are one list')
  t.equal(await addressFor(Array(1500).fill('127.0.0.1').join()), '127.0.0.1', 'a list as long as it can be')
  t.equal(await addressFor(`${client}:80`, '::ffff:192.0.2.1'), client)
  t.equal(await addressFor(client, '::ffff:203.0.113.5'), '203.0.113.5', 'only from a proxy')

  await fail(server, 10, 'salman', () => client)
  await fail(server, 10, 'anna', () => HOME)
  const tried = async (username: string, forwarded: string) =>
    (await login(server, { username, password: 'wrong', headers: { 'x-forwarded-for': forwarded } }))
      .statusCode
  t.strictSame(
    await statuses(3, (i) => login(server, { headers: { 'x-forwarded-for': `${client}:${i}` } })),
    [429, 429, 429]
  )
  t.equal(await tried('salman', '198.51.100.24:80'), 401)
  t.equal(await tried('anna', `rubbish-${Math.random()}`), 429, 'garbage is no new address')
})

test('a clock that was ahead and is right again makes nobody wait longer than a window', async (t) => {
  for (const ahead of [27 * 60 * MINUTE, 400 * 24 * 60 * MINUTE]) {
    const clock = stopTheClock(t)
    const server = await buildApp(t)
    await register(server)
    clock.advance(ahead)
    await fail(server, 10, 'salman', () => HOME)
    await fail(server, 60, 'salman', (i) => `203.0.113.${i}`)
    for (let i = 0; i < 60; i++) await server.rateLimits.registration.consume(ELSEWHERE)
    const [refused, slowed] = [await login(server, {}), await login(server, { from: '198.51.100.9' })]
    t.equal(refused.statusCode, 429)
    t.equal(slowed.statusCode, 200, 'its turn')
    t.equal((await login(server, { from: '198.51.100.10' })).statusCode, 429)
    clock.advance(-ahead)
    t.equal((await login(server, {})).statusCode, 200)
    t.equal((await login(server, { from: '198.51.100.10' })).statusCode, 200)
    t.match((await register(server, 'another', ELSEWHERE)).headers, { ratelimit: /r=59;t=3600/ })
    clock.advance(1500)
    await fail(server, 10, 'another', () => HOME)
    clock.advance(-1000)
    const told = await login(server, { username: 'another' })
    t.equal(told.statusCode, 429, 'what is late by a moment counts')
    t.equal(told.headers['retry-after'], '900')
  }
})

test('nothing stored names an account or an address', async (t) => {
  const server = await buildApp(t)
  await register(server)
  await login(server, { password: 'wrong' })
  await login(server, {})
  const rows = await server.db.selectFrom('rate_limits').select('key').execute()
  t.ok(rows.length > 2)
  for (const { key } of rows) t.match(key, /^[a-z-]+:[\w-]{43}(?:\.[\w-]{43})?$/)
})

test('windows of the past are deleted, and no others', async (t) => {
  const server = await buildApp(t)
  const db = directly(t, server)
  const past = { points: 1, now: 0, expiresAt: 1, afresh: false }
  for (let i = 0; i < 450; i++) await addPoints(db, { key: `past:${i}`, ...past })
  await server.rateLimits.refresh.consume(HOME)
  await server.housekeeping.run()
  const rows = await db.selectFrom('rate_limits').select('key').execute()
  t.match(
    rows.map(({ key }) => key),
    [/^refresh:/]
  )
})

test('RATE_LIMIT=off takes everything, tells nothing, and is said in the log', async (t) => {
  const { server, lines } = await buildLogging(t, { RATE_LIMIT: 'off' })
  t.equal(lines.filter((line) => line.includes('RATE_LIMIT is off')).length, 1)

  const answer = await register(server)
  t.match([answer.statusCode, answer.headers.ratelimit], [201, undefined])
  t.strictSame(await statuses(12, () => login(server, { password: 'wrong' })), Array(12).fill(401))
  t.equal((await login(server, {})).statusCode, 200)
  t.strictSame(await server.db.selectFrom('rate_limits').selectAll().execute(), [])
})
