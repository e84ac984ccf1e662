import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify from 'fastify'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { app, serverOptions } from '../../../app.ts'
import { type Config, loadConfig } from '../../../config.ts'
import type { StoredKey } from '../../../plugins/signing-keys/key-set.ts'
import { KeysRefused } from '../../../plugins/signing-keys/refused.ts'
import { keyStoreOf } from '../../../plugins/signing-keys/store.ts'
import { ENGINES, newDatabase, newEmptyDatabase } from '../../engines.ts'
import { buildApp, directly, openDirectly, signIn, temporaryFolder } from '../../helpers.ts'
import { rotateKeys, storeOf } from '../../key-stores.ts'

const onServer = {
  skip: !ENGINES.includes('postgres') && 'only on a server',
  context: { engine: 'postgres' }
}
const newSecret = () => randomBytes(32).toString('base64')

/** The service over this database, with what its log says from the level of warnings on. */
async function buildLogging(t: Test, overrides: Partial<Config>) {
  const lines: string[] = []
  const config = { ...loadConfig({ LOG_LEVEL: 'warn' }), ...overrides }
  const options = serverOptions(config)
  const logger = { ...(options.logger as object), stream: { write: (line: string) => void lines.push(line) } }
  const server = Fastify({ ...options, logger } as typeof options)
  t.teardown(() => server.close())
  await server.register(app, { config })
  await server.ready()
  return { server, warned: () => lines.map((line) => JSON.parse(line)) }
}

async function refusalOf(t: Test, overrides: Partial<Config>): Promise<string> {
  const error = await buildApp(t, overrides).catch((refusal) => refusal)
  t.ok(error instanceof KeysRefused, String(error))
  t.notOk(error.cause)
  return error.message
}

const storedIn = (t: Test, url: string) =>
  openDirectly(t, url).selectFrom('signing_keys').selectAll().execute()

t.test(
  'without a secret the start says how to make one; with one the keys are encrypted by and by',
  onServer,
  async (t) => {
    const DATABASE_URL = await newDatabase(t)
    const plain = await buildLogging(t, { DATABASE_URL })
    t.match(plain.warned(), [
      {
        event: 'signing_keys_exposed',
        msg: /^the signing keys are in postgres:.+`openssl rand -base64 32` makes.+keys encrypt`$/
      }
    ])
    const { headers, token } = await signIn(plain.server)
    const [first] = (await (await storeOf(plain.server)).look()).keys() as [StoredKey]
    t.match(await storedIn(t, DATABASE_URL), [
      { kid: first.kid, public_key: first.x, private_key: first.d, retired_at: null }
    ])
    await plain.server.close()

    const KEYS_SECRET = newSecret()
    const { server, warned } = await buildLogging(t, { DATABASE_URL, KEYS_SECRET })
    t.match(warned(), [
      { event: 'signing_keys_exposed', msg: /^some signing keys .+ are not encrypted .+keys encrypt`$/ }
    ])
    const { d } = await rotateKeys(server, 60)
    const store = await storeOf(server)
    t.equal(await store.recode('encrypted'), 1, 'the key that was made with the secret is encrypted already')
    t.equal(await store.recode('encrypted'), 0)
    const text = JSON.stringify(await storedIn(t, DATABASE_URL))
    for (const secret of [first.d, d, KEYS_SECRET]) t.notOk(text.includes(secret))
    t.equal((await server.inject({ url: '/me', headers })).statusCode, 200)
    await server.close()

    const again = await buildLogging(t, { DATABASE_URL, KEYS_SECRET })
    t.strictSame(again.warned(), [])
    t.equal(
      (await again.server.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode,
      200
    )
  }
)

t.test('a secret can be changed and taken away while instances run', onServer, async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const [old, fresh] = [newSecret(), newSecret()]
  const first = await buildApp(t, { DATABASE_URL, KEYS_SECRET: old })
  first.signingKeys.close()
  const { headers } = await signIn(first)
  const both = await buildApp(t, { DATABASE_URL, KEYS_SECRET: `${fresh}, ${old}` })
  t.equal(await (await storeOf(both)).recode('encrypted'), 1)
  t.match(
    await refusalOf(t, { DATABASE_URL, KEYS_SECRET: old }),
    /encrypted with another secret than KEYS_SECRET has/
  )

  const logged = t.capture(first.log, 'error')
  await first.signingKeys.reload()
  await first.signingKeys.reload()
  t.match(logged(), [{ args: [{ event: 'signing_keys_refused', reason: /another secret/ }] }], 'once')
  t.equal((await first.inject({ url: '/me', headers })).statusCode, 200, 'who knows the old one goes on')

  const changed = await buildApp(t, { DATABASE_URL, KEYS_SECRET: fresh })
  t.equal((await changed.inject({ url: '/me', headers })).statusCode, 200)
  t.equal(await (await storeOf(changed)).recode('plain'), 1)
  t.equal(await (await storeOf(changed)).recode('plain'), 0)
  const plain = await buildApp(t, { DATABASE_URL })
  t.equal((await plain.inject({ url: '/me', headers })).statusCode, 200)
  await t.rejects((await storeOf(plain)).recode('encrypted'), {
    name: 'KeysRefused',
    message: /^Without KEYS_SECRET .+`openssl rand -base64 32`/
  })
})

t.test('a wrong or a missing secret stops the start, and nothing secret is told', onServer, async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const KEYS_SECRET = newSecret()
  await (await buildApp(t, { DATABASE_URL, KEYS_SECRET })).close()
  const other = newSecret()
  const wrong = await refusalOf(t, { DATABASE_URL, KEYS_SECRET: other })
  t.match(wrong, /encrypted with another secret .+ Set the right secret, or restore/)
  t.notOk(wrong.includes(other))
  t.match(
    await refusalOf(t, { DATABASE_URL }),
    /are encrypted: set KEYS_SECRET or KEYS_SECRET_FILE to the secret/
  )
  const file = path.join(temporaryFolder(t), 'secret')
  writeFileSync(file, `${KEYS_SECRET}\n`)
  await t.resolves(buildApp(t, { DATABASE_URL, KEYS_SECRET_FILE: file }))
})

t.test('a setting that is no secret stops the start, on any engine, and is not quoted', async (t) => {
  const folder = temporaryFolder(t)
  const fileWith = (text: string) => {
    writeFileSync(path.join(folder, 'secret'), text)
    return path.join(folder, 'secret')
  }
  const shape = /must be 32 bytes in Base64, or several .+`openssl rand -base64 32` makes one\.$/
  const words = [
    'canary',
    randomBytes(31).toString('base64'),
    randomBytes(33).toString('base64'),
    `${newSecret()},canary`,
    'can"ary'
  ]
  for (const word of words) {
    for (const settings of [{ KEYS_SECRET: word }, { KEYS_SECRET_FILE: fileWith(word) }]) {
      const message = await refusalOf(t, settings)
      t.match(message, shape)
      t.notOk(message.includes(word) || message.includes('canary'))
    }
  }
  t.match(await refusalOf(t, { KEYS_SECRET_FILE: fileWith(' \n') }), /is empty: `openssl rand/)
  t.match(
    await refusalOf(t, { KEYS_SECRET_FILE: path.join(folder, 'none') }),
    /cannot be read \(ENOENT\): correct the path/
  )
  t.match(await refusalOf(t, { KEYS_SECRET_FILE: folder }), /cannot be read \(EISDIR\)/)
  const both = { KEYS_SECRET: newSecret(), KEYS_SECRET_FILE: fileWith(newSecret()) }
  t.match(await refusalOf(t, both), /are both set: leave one of them out\.$/)
})

t.test('beside a file a secret does nothing, and that is told', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const { server, warned } = await buildLogging(t, { DATABASE_URL, KEYS_SECRET: newSecret() })
  t.match(warned(), [
    { event: 'signing_keys_exposed', msg: /^KEYS_SECRET does nothing here: \S+library\.db\.keys\.json has/ }
  ])
  await t.rejects((await storeOf(server)).recode('encrypted'), {
    name: 'KeysRefused',
    message: /^\S+keys\.json has the keys/
  })
})

t.test('keys that were changed by somebody else stop the start, without a secret', onServer, async (t) => {
  const KEYS_SECRET = newSecret()
  const damages = {
    'the private key of another key': sql`update signing_keys set private_key =
      (select private_key from signing_keys as other where other.kid <> signing_keys.kid)`,
    'a byte of a private key': sql`update signing_keys set private_key = overlay(private_key placing 'AAAA' from 40)`,
    'half a private key': sql`update signing_keys set private_key = left(private_key, 20)`,
    'another public key': sql`update signing_keys set public_key = reverse(public_key)`,
    'no key that signs': sql`update signing_keys set retired_at = created_at, expires_at = created_at`,
    'a time that is none': sql`update signing_keys set active_from = 'soon'`
  }
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL, KEYS_SECRET })
  await rotateKeys(server)
  const store = await storeOf(server)
  const whole = (await store.look()).keys()
  await server.close()
  const db = openDirectly(t, DATABASE_URL)
  const rows = await db.selectFrom('signing_keys').selectAll().execute()
  for (const [what, damage] of Object.entries(damages)) {
    await damage.execute(db)
    const message = await refusalOf(t, { DATABASE_URL, KEYS_SECRET })
    t.match(
      message,
      /^The signing keys in postgres:\S+ .+ restore the table signing_keys from the backup/,
      what
    )
    for (const { d } of whole) t.notOk(message.includes(d))
    await db.deleteFrom('signing_keys').execute()
    await db.insertInto('signing_keys').values(rows).execute()
  }
  await t.resolves(buildApp(t, { DATABASE_URL, KEYS_SECRET }))
})

t.test('keys that are missing though there are users stop the start', onServer, async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(server)
  await server.close()
  await openDirectly(t, DATABASE_URL).deleteFrom('signing_keys').execute()
  for (const _attempt of [1, 2]) {
    t.match(
      await refusalOf(t, { DATABASE_URL }),
      /^There are no signing keys in postgres:.+ everyone must log in again\.$/
    )
  }
  await openDirectly(t, DATABASE_URL).deleteFrom('users').execute()
  const again = await buildApp(t, { DATABASE_URL })
  t.equal((await again.inject({ url: '/me', headers })).statusCode, 401)
})

t.test('instances that start at once on an empty database have one key', onServer, async (t) => {
  const DATABASE_URL = await newEmptyDatabase(t)
  const KEYS_SECRET = newSecret()
  const servers = await Promise.all([1, 2, 3, 4].map(() => buildApp(t, { DATABASE_URL, KEYS_SECRET })))
  t.equal(new Set(servers.map(({ signingKeys }) => signingKeys.active().kid)).size, 1)
  t.equal((await storedIn(t, DATABASE_URL)).length, 1)
})

t.test('rotations at the same moment by several instances lose no key', onServer, async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const servers = await Promise.all([1, 2, 3].map(() => buildApp(t, { DATABASE_URL })))
  const [server] = servers as [(typeof servers)[0]]
  const added = await Promise.all([...servers, ...servers].map((each) => rotateKeys(each, 60)))
  const kids = (await storedIn(t, DATABASE_URL)).map(({ kid }) => kid)
  t.strictSame(new Set(kids), new Set([server.signingKeys.active().kid, ...added.map(({ kid }) => kid)]))
  t.equal(await (await storeOf(server)).create([]), false)
})

t.test('a token of a key that only another instance knows yet is taken at once', onServer, async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const [one, other] = [await buildApp(t, { DATABASE_URL }), await buildApp(t, { DATABASE_URL })] as const
  other.signingKeys.close()
  const { token } = await signIn(one)
  const { sub, sid } = await one.accessTokens.verify(token)
  await rotateKeys(one)
  await one.signingKeys.reload()
  const fresh = [1, 2, 3].map(() => one.accessTokens.issue({ sub, sid }))
  const get = (each: string) => other.inject({ url: '/me', headers: { authorization: `Bearer ${each}` } })
  t.strictSame(
    (await Promise.all([...fresh, token].map(get))).map(({ statusCode }) => statusCode),
    [200, 200, 200, 200]
  )
  const bad = `${fresh[0]?.slice(0, -8)}AAAAAAAA`
  t.equal((await get(bad)).statusCode, 401)
})

t.test('a look that was begun before a key was there is followed by another', onServer, async (t) => {
  const server = await buildApp(t)
  server.signingKeys.close()
  const looking = server.signingKeys.reload()
  const { kid } = await rotateKeys(server, 60)
  const early = server.signingKeys.reload()
  const found = server.signingKeys.find(kid)
  await Promise.all([looking, early])
  t.equal((await found)?.kid, kid)
})

t.test('keys that cannot be looked at stay as they are, and that is told', onServer, async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const logged = t.capture(server.log, 'error')
  await sql`alter table signing_keys rename to signing_keys_elsewhere`.execute(directly(t, server))
  const calls: unknown[] = []
  while (calls.length === 0) {
    await nextTurn()
    calls.push(...logged())
  }
  t.match(calls, [{ args: [{ event: 'signing_keys_unseen' }] }])
  t.equal((await server.inject({ url: '/me', headers })).statusCode, 200)
})

t.test('a store asks for its database only where the keys are in it', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const settings = { DATABASE_URL, KEYS_SECRET: '', KEYS_SECRET_FILE: '' }
  const store = await keyStoreOf(settings, () => t.fail('it was opened') as never)
  t.equal(store.place, `${DATABASE_URL}.keys.json`)
})
