import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { basic, buildApp, directly, ROOT, signIn, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)

t.test('npm run user keeps accounts, also while the service runs', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const server = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(server)
  const user = async (...args: string[]) =>
    (
      await run(process.execPath, ['scripts/user.ts', ...args], {
        cwd: ROOT,
        env: { ...process.env, DATABASE_URL, REGISTRATION: 'closed' }
      })
    ).stdout.trim()
  const me = async () => (await server.inject({ url: '/me', headers })).json()

  t.equal(await user('list'), 'salman  editor')
  t.match(await user('promote', 'SALMAN'), 'salman is an admin now.')
  t.match(await me(), { role: 'admin' })
  await t.rejects(user('demote', 'salman'), {
    code: 1,
    stderr: /salman is the last admin; promote somebody else first\./
  })
  await t.rejects(user('disable', 'salman'), { code: 1, stderr: /last admin/ })

  const created = await user('create', 'anna')
  const code = /the code (\S+)$/.exec(created)?.[1] as string
  const { code_hash } = await server.db
    .selectFrom('password_resets')
    .select('code_hash')
    .executeTakeFirstOrThrow()
  t.match(code_hash, /^[\w-]{43}$/, 'the database has a hash')
  t.match(code, /^(?:[2-9a-z]{4}-){6}[2-9a-z]{4}$/)
  await t.rejects(user('create', 'Anna'), { code: 1, stderr: /There is a user Anna already/ })
  await t.rejects(user('create', 'annа'), { code: 1, stderr: /mixes Latin and Cyrillic letters/ })
  await t.rejects(user('create', 'saIman'), { code: 1, stderr: /looks the same as salman/ })
  await t.rejects(user('create', 'ann:a'), {
    code: 1,
    stderr: /has ":", which is not taken here; expected: 3 to 64/
  })
  const reset = (username: string, given: string, new_password = 'a password of my own') =>
    server.inject({
      method: 'POST',
      url: '/password-reset',
      payload: { username, code: given, new_password }
    })
  t.match((await reset('anna', 'xxxx-xxxx')).json(), { code: 'INVALID_RESET_CODE', status: 403 })
  t.match((await reset('salman', code)).json(), { code: 'INVALID_RESET_CODE' }, 'a code is of one user')
  t.match((await reset('nobody', code)).json(), { code: 'INVALID_RESET_CODE' })
  t.match((await reset('anna', code, 'passwordpassword')).json(), { code: 'PASSWORD_REFUSED' })
  t.equal((await reset('anna', ` ${code.replaceAll('-', ' ').toUpperCase()}`)).statusCode, 204)
  t.match((await reset('anna', code)).json(), { code: 'INVALID_RESET_CODE' }, 'once')
  const logIn = () =>
    server.inject({
      method: 'POST',
      url: '/login',
      headers: { authorization: basic('anna', 'a password of my own') }
    })
  t.equal((await logIn()).statusCode, 200)

  t.match(await user('disable', 'anna'), /disabled and logged out/)
  t.equal((await logIn()).statusCode, 401)
  t.match(await user('list'), /anna {2}editor {2}disabled/)
  t.match(await user('enable', 'anna'), /may log in again/)
  t.equal((await logIn()).statusCode, 200)

  await user('promote', 'anna')
  await user('demote', 'salman')
  t.match(await me(), { role: 'editor' })
  const keyed = await server.inject({
    method: 'POST',
    url: '/me/keys',
    headers,
    payload: { name: 'x', scope: 'read' }
  })
  const ofSalman = /the code (\S+)$/.exec(await user('reset-password', 'salman'))?.[1] as string
  t.match(await me(), { username: 'salman' }, 'a code alone changes nothing')
  await directly(t, server)
    .updateTable('password_resets')
    .set({ expires_at: new Date(0).toISOString() })
    .execute()
  t.match((await reset('salman', ofSalman)).json(), { code: 'INVALID_RESET_CODE' }, 'an expired code')
  const fresh = /the code (\S+)$/.exec(await user('reset-password', 'salman'))?.[1] as string
  t.equal((await reset('salman', fresh)).statusCode, 204)
  t.match(await me(), { code: 'INVALID_TOKEN' }, 'a reset ends all sessions')
  const script = { authorization: `Bearer ${keyed.json().key}` }
  t.equal((await server.inject({ url: '/me', headers: script })).statusCode, 401, 'and takes all keys away')

  await t.rejects(user('promote', 'nobody'), { code: 1, stderr: /^There is no user nobody\.$/m })
  await t.rejects(user(), { code: 2, stderr: /usage: npx library user/ })
  await t.rejects(user('promote'), { code: 2 })
  await t.rejects(user('explode', 'anna'), { code: 2 })
})
