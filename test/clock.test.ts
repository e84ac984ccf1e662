import type { Test } from 'tap'
import { createPasswordReset } from '../db/commands/password-resets.ts'
import { purgeAnswers, ROWS_A_PURGE } from '../db/commands/purges.ts'
import { inOurTime, newKey, rotate, stateOf } from '../plugins/signing-keys/key-set.ts'
import { test } from './engines.ts'
import { AUTHOR, basic, buildApp, directly, PASSWORD, signIn } from './helpers.ts'
import { storeOf } from './key-stores.ts'

/** A clock that was ahead by so much when something was stored, and has been set right since. */
const HOUR = 3_600_000
const AHEAD = [26 * HOUR, 370 * 24 * HOUR]

const inFuture = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString()

/** What `Date.now` says is so much later or earlier until the test's end. */
function shiftClock(t: Test, milliseconds: number): () => void {
  const { now } = Date
  Date.now = () => now() + milliseconds
  const setRight = () => {
    Date.now = now
  }
  t.teardown(setRight)
  return setRight
}

test('a session that was opened by a clock that was ahead does not outlive its time', async (t) => {
  for (const ahead of AHEAD) {
    const server = await buildApp(t)
    const { headers } = await signIn(server)
    const db = directly(t, server)
    t.equal((await server.inject({ url: '/me', headers })).statusCode, 200)
    const times = {
      created_at: inFuture(ahead),
      last_used_at: inFuture(ahead),
      expires_at: inFuture(2 * ahead)
    }
    await db
      .updateTable('sessions')
      .set({ ...times, idle_expires_at: inFuture(2 * ahead) })
      .execute()
    // Another token of the session is none that was found before.
    const again = server.accessTokens.issue(JSON.parse(atob(headers.authorization.split('.')[1] as string)))
    const other = await server.inject({ url: '/me', headers: { authorization: `Bearer ${again}` } })
    t.match(other.json(), { status: 401 })
  }
})

test('nor does a token that is known already when the clock is set right', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const me = async () => (await server.inject({ url: '/me', headers })).statusCode
  t.equal(await me(), 200)
  const setRight = shiftClock(t, -26 * HOUR)
  t.equal(await me(), 401)
  setRight()
  t.equal(await me(), 200)
})

test('a refresh by a clock that was ahead neither lengthens idleness nor the time for a repetition', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const login = await server.inject({
    method: 'POST',
    url: '/login',
    headers: { authorization: basic('salman', PASSWORD) }
  })
  const { refresh_token } = login.json()
  const refresh = () => server.inject({ method: 'POST', url: '/refresh', payload: { refresh_token } })
  t.equal((await refresh()).statusCode, 200)
  t.equal((await refresh()).statusCode, 200, 'the same answer within 30 seconds')
  const ahead = inFuture(26 * HOUR)
  await directly(t, server)
    .updateTable('sessions')
    .set({ last_used_at: ahead, rotated_at: ahead, idle_expires_at: inFuture(50 * HOUR) })
    .execute()
  t.match((await refresh()).json(), { code: 'INVALID_REFRESH_TOKEN' })
})

test('an answer that was kept by a clock that was ahead is good for a retry, and goes in a day', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const db = directly(t, server)
  const key = { 'idempotency-key': 'of-tomorrow' }
  const create = (book: string) =>
    server.inject({
      method: 'POST',
      url: '/authors',
      headers: { ...headers, ...key },
      payload: { ...AUTHOR, book }
    })
  const first = await create('Shame')
  t.equal(first.statusCode, 201)
  const createdAt = async () =>
    (await db.selectFrom('idempotency_keys').select('created_at').orderBy('id').execute()).map(
      (row) => row.created_at
    )
  for (const ahead of AHEAD) {
    await db
      .updateTable('idempotency_keys')
      .set({ created_at: inFuture(ahead) })
      .execute()
    t.equal((await create('Shame')).body, first.body)
    t.ok(((await createdAt())[0] as string) <= inFuture(0), 'it counts from now on')
  }

  const row = await db.selectFrom('idempotency_keys').selectAll().executeTakeFirstOrThrow()
  const { id: _, ...columns } = row
  const rowsAt = (created_at: string) =>
    Array.from({ length: ROWS_A_PURGE + 5 }, (_, i) => ({
      ...columns,
      key: `${created_at} ${i}`,
      created_at
    }))
  await db.deleteFrom('idempotency_keys').execute()
  await db
    .insertInto('idempotency_keys')
    .values(rowsAt(inFuture(26 * HOUR)))
    .execute()
  await db
    .insertInto('idempotency_keys')
    .values(rowsAt(inFuture(-25 * HOUR)))
    .execute()
  t.equal(await server.run('service', purgeAnswers, {}), 0)
  t.equal((await createdAt()).filter((at) => at > inFuture(0)).length, 5, 'those of the future go in a day')
})

test('a reset code that was given by a clock that was ahead is not good for longer', async (t) => {
  const server = await buildApp(t)
  const { id } = await signIn(server)
  const reset = async (minutes: number) => {
    const expiresAt = inFuture(minutes * 60_000)
    await server.run('service', createPasswordReset, { userId: id, code: 'the-code', expiresAt })
    const payload = { username: 'salman', code: 'the-code', new_password: PASSWORD }
    return (await server.inject({ method: 'POST', url: '/password-reset', payload })).statusCode
  }
  t.equal(await reset(24 * 60 + 30), 403)
  t.equal(await reset(30), 204)
})

test('a key that was used by a clock that was ahead says when it was used last', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const payload = { name: 'script', scope: 'read' }
  const { key } = (await server.inject({ method: 'POST', url: '/me/keys', headers, payload })).json()
  const db = directly(t, server)
  await db
    .updateTable('api_keys')
    .set({ last_used_at: inFuture(26 * HOUR) })
    .execute()
  await server.inject({ url: '/me', headers: { authorization: `Bearer ${key}` } })
  const used = async () =>
    (await db.selectFrom('api_keys').select('last_used_at').executeTakeFirstOrThrow()).last_used_at
  // The note is written beside the answer.
  while (((await used()) as string) > inFuture(0));
  t.pass()
})

test('a signing key that was made by a clock that was ahead is announced for its time, and no longer', async (t) => {
  const now = new Date()
  for (const ahead of AHEAD) {
    const [first] = rotate([newKey(now)], new Date(now.getTime() + ahead), 90)
    const set = rotate([newKey(now)], new Date(now.getTime() + ahead), 90)
    t.ok(first)
    const [old, made] = inOurTime(set, now)
    t.equal(made?.created_at, now.toISOString())
    t.equal(made?.active_from, new Date(now.getTime() + 90_000).toISOString())
    t.equal(old?.retired_at, made?.active_from)
    t.ok(old && stateOf(old, new Date(now.getTime() + 89_000)) === 'active')
    t.strictSame(inOurTime(set, new Date(now.getTime() + ahead)), set, 'what is not of the future stays')
  }
})

test('a running service takes it over when its clock is set back', async (t) => {
  const server = await buildApp(t)
  const store = await storeOf(server)
  await store.change((keys) => rotate(keys, new Date(Date.now() + 26 * HOUR), 0))
  const setBack = shiftClock(t, 27 * HOUR)
  await server.signingKeys.reload()
  const { kid } = server.signingKeys.active()
  setBack()
  await server.signingKeys.reload()
  t.equal(server.signingKeys.active().kid, kid, 'it goes on with the key that it has begun to sign with')
  const later = new Date(Date.now() + 1000)
  t.strictSame(
    (await store.look()).keys().map((key) => stateOf(key, later)),
    ['retired', 'active']
  )
})
