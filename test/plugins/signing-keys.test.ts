import { execFile } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { newKey, type StoredKey } from '../../plugins/signing-keys/key-set.ts'
import { newDatabase, newEmptyDatabase, test } from '../engines.ts'
import { basic, buildApp, PASSWORD, ROOT, signIn, startServer, temporaryFolder } from '../helpers.ts'
import { rotateKeys, storeOf } from '../key-stores.ts'

const fileOf = (server: FastifyInstance) => `${server.config.DATABASE_URL}.keys.json`
const readFile = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as { keys: StoredKey[] }
const kidOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[0] as string, 'base64url').toString()).kid

const rotateByCommand = (DATABASE_URL: string, announce: string) =>
  promisify(execFile)(process.execPath, ['scripts/keys.ts', 'rotate', '--announce', announce], {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL }
  })

async function statusOf(server: FastifyInstance, token: string): Promise<number> {
  return (await server.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode
}

function setClock(t: Test, aheadSeconds: number): void {
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() + aheadSeconds * 1000
}

t.test('the first start makes a key of its own, which the next starts use', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const first = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(first)
  const file = `${DATABASE_URL}.keys.json`
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(readFile(file), { keys: [{ kty: 'OKP', crv: 'Ed25519', kid: /^[\w-]{43}$/ }] })
  await first.close()

  const second = await buildApp(t, { DATABASE_URL })
  t.equal((await second.inject({ url: '/me', headers })).statusCode, 200, 'tokens outlive a restart')
})

test('no two services share a key', async (t) => {
  const [one, other] = [await buildApp(t), await buildApp(t)]
  t.not(one.signingKeys.active().kid, other.signingKeys.active().kid)
})

test('the public keys are at /.well-known/jwks.json, with nothing secret', async (t) => {
  const server = await buildApp(t)
  const retired = server.signingKeys.active()
  const active = await rotateKeys(server)
  const announced = await rotateKeys(server, 3600)
  await server.signingKeys.reload()
  const answer = await server.inject('/.well-known/jwks.json')
  t.equal(answer.headers['cache-control'], 'public, max-age=60')
  t.match(answer.headers['content-type'], /^application\/json/)
  const common = { kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA' }
  const expected = [retired.kid, active.kid, announced.kid].map((kid) => ({ ...common, kid }))
  const { keys } = answer.json()
  t.strictSame(
    keys.map(({ x, ...rest }: { x: string }) => rest),
    expected
  )
  t.equal(keys[1].x, active.x)

  setClock(t, 86400 + 60)
  t.strictSame(
    (await server.inject('/.well-known/jwks.json')).json().keys.map(({ kid }: StoredKey) => kid),
    [active.kid, announced.kid],
    'an expired key is not shown'
  )
})

test('an announced key signs from its time on, by the clock alone', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const { sub, sid } = await server.accessTokens.verify(token)
  const announced = await rotateKeys(server, 120)
  await server.signingKeys.reload()
  t.equal(kidOf(server.accessTokens.issue({ sub, sid })), kidOf(token))
  setClock(t, 121)
  const fresh = server.accessTokens.issue({ sub, sid })
  t.equal(kidOf(fresh), announced.kid)
  for (const good of [token, fresh, fresh]) t.equal(await statusOf(server, good), 200)
})

test('with a clock that was set back behind all keys the first one signs', async (t) => {
  const server = await buildApp(t)
  setClock(t, -3600)
  t.ok(server.signingKeys.active().kid)
})

test('changed keys are told in the log, without secrets, and unchanged ones are not', async (t) => {
  const server = await buildApp(t)
  const before = server.signingKeys.active()
  const logged = t.capture(server.log, 'info')
  const added = await rotateKeys(server)
  await server.signingKeys.reload()
  await server.signingKeys.reload()
  const calls = logged().map(({ args }) => args[0])
  t.strictSame(calls, [{ event: 'signing_keys_changed', kid: added.kid, added: [added.kid], removed: [] }])
  await (await storeOf(server)).change(() => [newKey(new Date())])
  await server.signingKeys.reload()
  t.match(logged()[0]?.args[0], { removed: [before.kid, added.kid] })
})

t.test('a file that breaks while in use is told once, and the keys stay as they were', async (t) => {
  const server = await buildApp(t)
  const { token } = await signIn(server)
  const file = fileOf(server)
  const whole = readFileSync(file)
  const logged = t.capture(server.log, 'error')
  const damages = [
    () => writeFileSync(file, `{"keys": [{"d": "${readFile(file).keys[0]?.d}"}]}`),
    () => writeFileSync(file, ''),
    () => rmSync(file)
  ]
  for (const damage of damages) {
    damage()
    server.signingKeys.reload()
    server.signingKeys.reload()
    t.equal(await statusOf(server, token), 200)
    const calls = logged()
    t.equal(calls.length, 1)
    t.match(calls[0]?.args[0], { event: 'signing_keys_refused', reason: file })
    t.notOk(JSON.stringify(calls[0]?.args).includes('"d"'))
  }
  writeFileSync(file, whole, { mode: 0o600 })
  server.signingKeys.reload()
  t.equal(await statusOf(server, token), 200)
  t.strictSame(logged(), [])
})

test('an unknown key is looked for where the keys are, in vain not more than once a second', async (t) => {
  const server = await buildApp(t)
  server.signingKeys.close()
  for (const _rotation of [1, 2]) {
    const { kid } = await rotateKeys(server, 60)
    t.equal((await server.signingKeys.find(kid))?.kid, kid, 'found at once')
  }
  t.equal(await server.signingKeys.find('made up'), undefined)
  const { kid } = await rotateKeys(server, 60)
  t.equal(server.signingKeys.find(kid), undefined, 'just looked in vain')
  const { now } = performance
  t.teardown(() => {
    performance.now = now
  })
  performance.now = () => now.call(performance) + 1000
  t.equal((await server.signingKeys.find(kid))?.kid, kid, 'a second later')
})

test('processes that start at once use one key, and take over a rotation while they run', async (t) => {
  const DATABASE_URL = await newEmptyDatabase(t)
  const servers = await Promise.all([1, 2, 3].map(() => startServer(t, { DATABASE_URL })))
  const registration = { username: 'salman', password: PASSWORD }
  const headers = { 'content-type': 'application/json' }
  const logIn = async (url: string) => {
    const authorization = basic(registration.username, PASSWORD)
    const answer = await fetch(`${url}/login`, { method: 'POST', headers: { authorization } })
    return ((await answer.json()) as { access_token: string }).access_token
  }
  const [first, second] = servers.map(({ url }) => url) as [string, string]
  await fetch(`${first}/register`, { method: 'POST', headers, body: JSON.stringify(registration) })
  const token = await logIn(second)
  const { stdout } = await rotateByCommand(DATABASE_URL, '0')
  const kid = stdout.split('\n')[1]?.split(' ')[0] as string
  t.not(kid, kidOf(token))
  for (const { url, output } of servers) {
    while (!(await (await fetch(`${url}/.well-known/jwks.json`)).text()).includes(kid));
    while (!output().includes(`"event":"signing_keys_changed","kid":"${kid}"`)) await nextTurn()
  }
  const fresh = await logIn(first)
  t.equal(kidOf(fresh), kid)
  for (const { url } of servers) {
    for (const good of [token, fresh]) {
      const answer = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${good}` } })
      t.equal(answer.status, 200)
    }
  }
})

test('three rotations under load refuse no valid token', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const servers = [await buildApp(t, { DATABASE_URL }), await buildApp(t, { DATABASE_URL })] as const
  const { token } = await signIn(servers[0])
  const { sub, sid } = await servers[0].accessTokens.verify(token)
  const tokenOfKey = new Map([[kidOf(token), token]])
  const announcements = ['0', '1', '0']
  const rotations: Promise<unknown>[] = []
  const statuses = new Set<number>()
  while (tokenOfKey.size <= announcements.length) {
    const announcement = announcements[rotations.length]
    const hasSignedWithAll = tokenOfKey.size > rotations.length
    if (hasSignedWithAll && announcement) rotations.push(rotateByCommand(DATABASE_URL, announcement))
    const fresh = servers.map((server) => server.accessTokens.issue({ sub, sid }))
    for (const token of fresh) tokenOfKey.set(kidOf(token), token)
    const tokens = [...tokenOfKey.values(), ...fresh]
    const answers = servers.flatMap((server) => tokens.map((token) => statusOf(server, token)))
    for (const status of await Promise.all(answers)) statuses.add(status)
    await nextTurn()
  }
  await Promise.all(rotations)
  t.strictSame([...statuses], [200])
})
