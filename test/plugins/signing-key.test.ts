import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { buildApp, signIn, startServer, temporaryFolder } from '../helpers.ts'

t.test('the first start makes a key of its own, which the next starts use', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const first = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(first)
  const file = `${DATABASE_URL}.keys.json`
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(JSON.parse(readFileSync(file, 'utf8')), {
    keys: [{ kty: 'OKP', crv: 'Ed25519', kid: /^[\w-]{43}$/ }]
  })
  await first.close()

  const second = await buildApp(t, { DATABASE_URL })
  t.equal((await second.inject({ url: '/me', headers })).statusCode, 200, 'tokens outlive a restart')
})

t.test('no two services share a key', async (t) => {
  const [one, other] = [await buildApp(t), await buildApp(t)]
  t.not(one.signingKey.kid, other.signingKey.kid)
})

t.test('a key file that is no key file stops the start with what to do', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  for (const content of ['', 'not json', '{}', '{"keys":[{"kty":"OKP"}]}']) {
    writeFileSync(`${DATABASE_URL}.keys.json`, content)
    await t.rejects(buildApp(t, { DATABASE_URL }), {
      message: /does not hold a signing key\. Restore it, or delete it/
    })
  }
})

t.test('a key file that cannot be read stops the start', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  mkdirSync(`${DATABASE_URL}.keys.json`)
  await t.rejects(buildApp(t, { DATABASE_URL }), { code: 'EISDIR' })
})

t.test('processes that start at once use one key', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const servers = await Promise.all([1, 2, 3].map(() => startServer(t, { DATABASE_URL })))
  const registration = { username: 'salman', password: 'the moors last sigh' }
  const headers = { 'content-type': 'application/json' }
  await fetch(`${servers[0]?.url}/register`, { method: 'POST', headers, body: JSON.stringify(registration) })
  const authorization = `Basic ${btoa(`${registration.username}:${registration.password}`)}`
  const login = await fetch(`${servers[1]?.url}/login`, { method: 'POST', headers: { authorization } })
  const { access_token } = (await login.json()) as { access_token: string }
  for (const { url } of servers) {
    const answer = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${access_token}` } })
    t.equal(answer.status, 200)
  }
})
