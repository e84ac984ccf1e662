import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { changeKeys, createKeyFile } from '../../../plugins/signing-keys/key-file.ts'
import { newKey, rotate } from '../../../plugins/signing-keys/key-set.ts'
import { KeysRefused } from '../../../plugins/signing-keys/refused.ts'
import { buildApp, signIn, temporaryFolder } from '../../helpers.ts'

const NOW = new Date('2026-01-01T00:00:00.000Z')

t.test('a key file of version 0.1 is used as it is, and completed at the first rotation', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const { kty, crv, kid, x, d } = newKey(NOW)
  const file = `${DATABASE_URL}.keys.json`
  const text = JSON.stringify({ keys: [{ crv, d, x, kty, kid }] })
  writeFileSync(file, text, { mode: 0o600 })
  const server = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(server)
  t.equal(server.signingKeys.active().kid, kid)
  t.equal(readFileSync(file, 'utf8'), text, 'a start changes nothing')

  changeKeys(file, (keys) => rotate(keys, new Date(), 0))
  const ever = '1970-01-01T00:00:00.000Z'
  t.match(JSON.parse(readFileSync(file, 'utf8')).keys[0], {
    kid,
    d,
    created_at: ever,
    active_from: ever,
    retired_at: String
  })
  t.equal(statSync(file).mode & 0o777, 0o600)
  server.signingKeys.reload()
  t.equal((await server.inject({ url: '/me', headers })).statusCode, 200)
})

t.test('a key file that is no key file stops the start with what to do', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const [key, other] = [newKey(NOW), newKey(NOW)]
  const [retired] = rotate([key], NOW, 0)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  const sets: unknown[] = [
    [],
    [{ kty: 'OKP' }],
    [rsa],
    [null],
    [{ ...key, d: 'x' }],
    [{ ...key, d: other.d }],
    [{ ...key, kid: other.kid }],
    [{ ...key, use: 'sig' }],
    [{ ...key, active_from: 'soon' }],
    [{ ...key, active_from: '2026-01-01' }],
    [{ ...key, retired_at: key.created_at }],
    [key, key],
    [retired]
  ]
  const contents = ['', 'not json', '{}', 'null', ...sets.map((keys) => JSON.stringify({ keys }))]
  for (const content of contents) {
    writeFileSync(`${DATABASE_URL}.keys.json`, content, { mode: 0o600 })
    const error = await buildApp(t, { DATABASE_URL }).catch((refusal) => refusal)
    t.ok(error instanceof KeysRefused, content.slice(0, 40))
    t.match(
      error.message,
      /does not hold signing keys: restore it from the backup, or delete it and run `npx library/
    )
    t.notOk(error.message.includes(key.d) || error.cause, 'without a secret')
  }
})

t.test('a key file that is open to others stops the start', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const file = `${DATABASE_URL}.keys.json`
  createKeyFile(file, [newKey(NOW)])
  for (const mode of [0o640, 0o604, 0o620, 0o602]) {
    chmodSync(file, mode)
    const message = `${file} is open to others (mode ${mode.toString(8)}): run \`chmod 600 ${file}\``
    await t.rejects(buildApp(t, { DATABASE_URL }), { name: 'KeysRefused', message })
  }
  chmodSync(file, 0o600)
  await t.resolves(buildApp(t, { DATABASE_URL }))
})

t.test('a key file that cannot be read stops the start', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  mkdirSync(`${DATABASE_URL}.keys.json`, { mode: 0o700 })
  await t.rejects(buildApp(t, { DATABASE_URL }), {
    name: 'KeysRefused',
    message: /cannot be read \(EISDIR\)/
  })
})

t.test('a key that cannot be written stops the start', async (t) => {
  const folder = temporaryFolder(t)
  t.throws(() => createKeyFile(path.join(folder, 'nowhere/keys.json'), [newKey(NOW)]), {
    name: 'KeysRefused',
    message: /nowhere\/keys\.json cannot be written \(ENOENT/
  })
})

t.test('a key that is missing though there are users stops the start, and no new one is made', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const server = await buildApp(t, { DATABASE_URL })
  await signIn(server)
  await server.close()
  rmSync(`${DATABASE_URL}.keys.json`)
  for (const _attempt of [1, 2]) {
    await t.rejects(buildApp(t, { DATABASE_URL }), {
      name: 'KeysRefused',
      message:
        /is missing: restore it from the backup, or run `npx library keys create` .+ everyone must log in again\.$/
    })
  }
})
