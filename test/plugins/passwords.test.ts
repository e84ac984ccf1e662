import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import argon2 from 'argon2'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { app, serverOptions } from '../../app.ts'
import { COMMON_PASSWORDS_FILE, fold, loadCommonPasswords } from '../../plugins/passwords/common-passwords.ts'
import { generateCommonPasswords } from '../../scripts/common-passwords.ts'
import { test } from '../engines.ts'
import { basic, buildApp, directly, PASSWORD, ROOT, signIn } from '../helpers.ts'

const WEAKER = { type: argon2.argon2id, memoryCost: 8192, timeCost: 1, parallelism: 1 } as const

const login = (server: FastifyInstance, password = PASSWORD) =>
  server.inject({ method: 'POST', url: '/login', headers: { authorization: basic('salman', password) } })

const storedHash = async ({ db }: FastifyInstance) =>
  (await db.selectFrom('users').select('password_hash').executeTakeFirstOrThrow()).password_hash

const storeHash = (t: Test, server: FastifyInstance, password_hash: string) =>
  directly(t, server).updateTable('users').set({ password_hash }).execute()

/** The service with its log. */
async function buildLogged(t: Test) {
  const { config: defaults } = await buildApp(t)
  const config = { ...defaults, LOG_LEVEL: 'warn' as const }
  const lines: string[] = []
  const options = serverOptions(config)
  const logger = { ...(options.logger as object), stream: { write: (line: string) => void lines.push(line) } }
  const server = Fastify({ ...options, logger } as typeof options)
  t.teardown(() => server.close())
  await server.register(app, { config })
  return { server, lines }
}

t.test(
  'the list of common passwords is what its script makes, long enough, and names its source',
  async (t) => {
    const text = readFileSync(COMMON_PASSWORDS_FILE, 'utf8')
    t.equal(text, generateCommonPasswords(), 'if not, run npm run common-passwords')
    t.match(text, /^# .*\n# From .*SecLists[\s\S]*CC BY-SA 3\.0/)
    const list = [...loadCommonPasswords()]
    t.ok(list.length >= 3000, `${list.length}`)
    t.strictSame(
      list.filter((password) => fold(password) !== password || [...password].length < 15),
      []
    )
    t.equal(list[0], 'mailcreated5240', 'the header is no part of it')
    t.equal(list.includes(''), false)
    t.match(readFileSync(path.join(ROOT, 'SECURITY.md'), 'utf8'), /common-passwords\.txt/)
  }
)

test('what is guessed first is refused, and the refusal says why', async (t) => {
  const server = await buildApp(t)
  const cases: [string, string, RegExp][] = [
    ['salman', 'passwordpassword', /one of the most common ones/],
    ['salman', 'ＰＡＳＳＷＯＲＤpassword', /one of the most common ones/],
    ['salman.rushdie', 'Salman.Rushdie', /is the username/],
    ['salman', 'SalmanSalmanSalman', /nothing but the username or words of this service/],
    ['salman.rushdie', 'rushdie, salman 1947!', /nothing but the username/],
    ['salman', 'Library-API-Author-2026', /library, api, author/],
    ['salman', 'salman@library.authors', /nothing but the username/],
    ['salman', 'password-library-1', /nothing but the username/],
    ['19470619', '1947061919470619', /nothing but the username/],
    ['salman', '!!!!!!!!!!!!!!!!', /repeats/],
    ['salman', 'żółwżółwżółwżół', /repeats up to 4 characters/],
    ['salman', '98765432109876543', /runs along the alphabet, the digits or the keyboard/],
    ['salman', 'nopqrstuvwxyzabcd', /runs/],
    ['salman', 'qwertyuiop-asdfghjkl', /runs/],
    ['salman', 'abcdefgh 12345678', /runs/]
  ]
  for (const [username, password, detail] of cases) {
    t.throws(
      () => server.passwords.refuseGuessable(password, username),
      { code: 'PASSWORD_REFUSED', message: detail, errors: [{ pointer: '/password', detail }] },
      password
    )
  }
  t.throws(() => server.passwords.refuseGuessable('passwordpassword', 'salman', '/new_password'), {
    errors: [{ pointer: '/new_password' }]
  })
})

test('what only contains such words, or is long enough by itself, is taken', async (t) => {
  const server = await buildApp(t)
  const taken = [
    PASSWORD,
    'midnight’s children 1981',
    'correct horse battery staple',
    'a password for the library',
    'salman likes the moon',
    '3f0c1c6e-66a2-4b93-9b1f-2f9f9f1b2f1e',
    '31415926535897932',
    'пароль ẛ̣ 🔑 zażółć',
    '1947-06-19 1981-04-12'
  ]
  for (const password of taken) {
    t.doesNotThrow(() => server.passwords.refuseGuessable(password, 'salman'), password)
  }
})

test('a password is the same in every normal form', async (t) => {
  const { passwords } = await buildApp(t)
  const hash = await passwords.hash('ﬁne Ｗｏｒｄｓ żółw ẛ̣')
  for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD'] as const) {
    t.equal(await passwords.verify(hash, 'ﬁne Ｗｏｒｄｓ żółw ẛ̣'.normalize(form)), true, form)
  }
  t.equal(await passwords.verify(hash, 'fine words żółw ẛ̣'), false, 'but case counts')
})

t.test('a stored hash of other making is not computed, and fails after the usual work', async (t) => {
  const { server, lines } = await buildLogged(t)
  await signIn(server)
  const good = await storedHash(server)
  const bad = [
    good.replace('m=19456', 'm=4194304'),
    good.replace('m=19456', 'm=262144').replace('t=2', 't=5'),
    good.replace('t=2', 't=11'),
    good.replace('p=1', 'p=5'),
    good.replace('m=19456', 'm=7'),
    good.replace('m=19456', 'm=31').replace('p=1', 'p=4'),
    good.replace('m=19456', 'm=1e4'),
    good.replace('t=2', 'm=19456'),
    good.replace('t=2', 't=2,data=AAAA'),
    good.replace('argon2id', 'argon2i'),
    good.replace('v=19', 'v=16'),
    good.replace('v=19$', ''),
    good.slice(0, -30),
    good.slice(0, -2),
    good.replace(/[^$]+\$([^$]+)$/, 'AAAA$$$1'),
    `${good}${'A'.repeat(100)}`,
    'rubbish',
    '',
    PASSWORD
  ]
  for (const hash of bad) {
    await storeHash(t, server, hash)
    lines.length = 0
    const start = performance.now()
    t.equal(await server.passwords.verify(hash, PASSWORD), false, hash)
    const took = performance.now() - start
    t.ok(took > 4 && took < 1000, `${hash} took ${took} ms`)
    t.match(JSON.parse(lines.join('')), { level: 50, event: 'password_hash_refused' })
    t.notMatch(lines.join(''), /argon2|AAAA|moors/)
  }
  t.equal((await login(server)).statusCode, 401, 'and a login is no more than wrong')
  await storeHash(t, server, good)
  t.equal((await login(server)).statusCode, 200)
})

test('a login renews a hash that was made with other parameters', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const today = await storedHash(server)
  t.equal(server.passwords.needsRehash(today), false)
  t.equal((await login(server)).statusCode, 200)
  t.equal(await storedHash(server), today, 'one of today stays')

  const weaker = await argon2.hash(PASSWORD, WEAKER)
  t.equal(server.passwords.needsRehash(weaker), true)
  await storeHash(t, server, weaker)
  t.equal((await login(server, 'wrong')).statusCode, 401)
  t.equal(await storedHash(server), weaker, 'a failure renews nothing')
  t.equal((await login(server)).statusCode, 200)
  t.match(await storedHash(server), /m=19456/)
  t.equal((await login(server)).statusCode, 200, 'and the password is the same')
})

test('a hash that was changed in the meantime is not overwritten, and a failure to renew is no failure to log in', async (t) => {
  const { server, lines } = await buildLogged(t)
  await signIn(server)
  await storeHash(t, server, await argon2.hash(PASSWORD, WEAKER))
  const { hash } = server.passwords
  const changed = await hash('another long password')
  server.passwords.hash = async (password) => {
    await storeHash(t, server, changed)
    return hash(password)
  }
  t.equal((await login(server)).statusCode, 401, 'the password is no longer the one')
  t.equal(await storedHash(server), changed)

  const renewedElsewhere = await hash(PASSWORD)
  await storeHash(t, server, await argon2.hash(PASSWORD, WEAKER))
  server.passwords.hash = async (password) => {
    await storeHash(t, server, renewedElsewhere)
    return hash(password)
  }
  t.equal((await login(server)).statusCode, 200, 'another login was faster to renew it')
  t.equal(await storedHash(server), renewedElsewhere)

  const weaker = await argon2.hash(PASSWORD, WEAKER)
  await storeHash(t, server, weaker)
  server.passwords.hash = () => Promise.reject(new Error('the queue is full'))
  t.equal((await login(server)).statusCode, 200)
  t.equal(await storedHash(server), weaker)
  t.match(lines.join(''), /a password hash was not renewed/)
})

test('a random password is never refused, however short the parts of the username are', async (t) => {
  const { passwords } = await buildApp(t)
  const random = () => randomBytes(24).toString('base64url')
  for (let i = 0; i < 2000; i++) passwords.refuseGuessable(random(), `user-${randomUUID()}`)
  t.throws(() => passwords.refuseGuessable('Salman-Salman-1947', 'salman.rushdie'), {
    code: 'PASSWORD_REFUSED'
  })
})
