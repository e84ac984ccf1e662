import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { COMMANDS, readWords } from '../../scripts/user/commands.ts'
import { basic, buildApp, directly, PASSWORD, ROOT, signIn, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)

t.test('npm run user keeps accounts, also while the service runs', async (t) => {
  const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
  const server = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(server)
  const beside = await buildApp(t, { DATABASE_URL, RATE_LIMIT: 'off' })
  const user = async (command: string, name = '') => (await COMMANDS[command]?.(beside, name)) ?? ''
  const me = async () => (await server.inject({ url: '/me', headers })).json()

  t.equal(await user('list'), 'salman  editor')
  t.match(await user('promote', 'SALMAN'), 'salman is an admin now.')
  t.match(await me(), { role: 'admin' })
  const lastAdmin = /salman is the last admin; promote somebody else first\./
  await t.rejects(user('demote', 'salman'), { name: 'Refused', message: lastAdmin })
  await t.rejects(user('disable', 'salman'), { name: 'Refused', message: lastAdmin })

  const created = await user('create', 'anna')
  const code = /the code (\S+)$/.exec(created)?.[1] as string
  const { code_hash } = await server.db
    .selectFrom('password_resets')
    .select('code_hash')
    .executeTakeFirstOrThrow()
  t.match(code_hash, /^[\w-]{43}$/, 'the database has a hash')
  t.match(code, /^(?:[2-9a-z]{4}-){6}[2-9a-z]{4}$/)
  const refusals: [string, RegExp][] = [
    ['Anna', /^There is a user Anna already/],
    ['annа', /mixes Latin and Cyrillic letters/],
    ['saIman', /looks the same as salman/],
    ['ann:a', /has ":", which is not taken here; expected: 3 to 64/]
  ]
  for (const [name, message] of refusals)
    await t.rejects(user('create', name), { name: 'Refused', message }, name)
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

  await t.rejects(user('promote', 'nobody'), { name: 'Refused', message: 'There is no user nobody.' })
})

t.test(
  'the command does so in a process beside the service, also where registration is closed',
  async (t) => {
    const DATABASE_URL = path.join(temporaryFolder(t), 'library.db')
    const server = await buildApp(t, { DATABASE_URL })
    const { headers } = await signIn(server)
    const user = async (...args: string[]) => {
      const env = { ...process.env, DATABASE_URL, REGISTRATION: 'closed' }
      return (await run(process.execPath, ['scripts/user.ts', ...args], { cwd: ROOT, env })).stdout
    }
    t.equal(await user('promote', 'SALMAN'), 'salman is an admin now.\n')
    t.match((await server.inject({ url: '/me', headers })).json(), { role: 'admin' })
    t.match(await user('create', 'anna'), /^Created anna\. .* with the code \S+\n$/)
    t.equal(await user('list'), 'anna  editor\nsalman  admin\n')
    await t.rejects(user('demote', 'salman'), {
      code: 1,
      stdout: '',
      stderr: 'salman is the last admin; promote somebody else first.\n'
    })
    const told = await run(process.execPath, ['scripts/user.ts', 'reset-password', 'anna'], {
      cwd: ROOT,
      env: { ...process.env, DATABASE_URL, SUDO_USER: 'ann' }
    })
    const line = JSON.parse(told.stderr)
    t.match(line, {
      event: 'operator_command',
      command: 'user reset-password',
      username: 'anna',
      operator: /^ann as .+@.+$/,
      exit_code: 0,
      ms: Number
    })
    const code = /the code (\S+)\n$/.exec(told.stdout)?.[1] as string
    t.notOk(told.stderr.includes(code))
    const url = `/users/${(await server.inject({ url: '/users?limit=1', headers })).json().data[0].id}/history`
    t.match((await server.inject({ url, headers })).json().data[0], {
      action: 'reset_code_created',
      operator: line.operator
    })
    await t.rejects(user('explode', 'anna'), {
      code: 2,
      stdout: '',
      stderr: /^usage: npx library user COMMAND[\s\S]+unlock NAME/
    })
  }
)

t.test('what it does not understand is no command', async (t) => {
  const misused = [
    [],
    ['promote'],
    ['promote', ''],
    ['explode', 'anna'],
    ['create', 'two', 'words'],
    ['list', 'anna'],
    ['toString', 'anna']
  ]
  for (const words of misused) t.throws(() => readWords(words), { name: 'UsageError' }, words.join(' '))
  t.match(readWords(['list']), { command: COMMANDS.list, name: '' })
  t.match(readWords(['promote', 'list']), { command: COMMANDS.promote, name: 'list' })
})

/** Right and wrong in as many ways as a name can be; some are the same as, or look like, one before them. */
const NAMES = [
  'mulk',
  'Mulk',
  'muIk',
  'mu',
  'm',
  'mül',
  'raj',
  'r'.repeat(64),
  'r'.repeat(65),
  'r'.repeat(2000),
  'two words',
  ' lead',
  'trail ',
  'a:b',
  'tab\tbed',
  'line\nbreak',
  'nul\0byte',
  'bell\u0007ring',
  'c1\u009bcsi',
  '<b>bold</b>',
  "o'brien",
  '-dash',
  '.dot',
  '_low',
  '@at',
  '+plus',
  'dash-ed',
  'dot.ted',
  'low_er',
  'me@example.org',
  'a+b',
  '1947',
  '१९४७',
  'عربي',
  '२24ab',
  '1عربي',
  'рaj',
  'ｍｕｌｋ',
  'ﬁona',
  'josé',
  'jose\u0301',
  'e\u0301\u0301va',
  'zero\u200bwidth',
  'soft\u00adhyphen',
  '\ufefflead',
  '\u202eltr',
  'सलमान',
  '村上春樹',
  'haruki村上',
  '김영하',
  'lone\ud800half',
  '😀😀😀',
  'admin',
  'null',
  'constructor',
  '__proto__',
  'toString'
]

t.test('the operator may give the names that registration takes, and no others', async (t) => {
  const [open, own] = [await buildApp(t, { RATE_LIMIT: 'off' }), await buildApp(t, { RATE_LIMIT: 'off' })]
  const register = async (username: string) => {
    const payload = { username, password: 'a password of my own' }
    const answer = await open.inject({ method: 'POST', url: '/register', payload })
    return answer.statusCode === 201
  }
  const create = (name: string) =>
    COMMANDS.create?.(own, name).then(
      () => true,
      (error: Error) => {
        t.match(error.message, /^(?:There is a user )?\S/)
        t.notMatch(error.message, /[\p{Cc}\p{Cs}\u202e\u200b]/u, 'nothing that a terminal obeys')
        return false
      }
    )
  const verdicts = []
  for (const name of NAMES) verdicts.push([name, await register(name), await create(name)])
  t.strictSame(
    verdicts.filter(([, taken, made]) => taken !== made),
    []
  )
  t.ok(verdicts.filter(([, taken]) => taken).length > 10)
  t.ok(verdicts.filter(([, taken]) => !taken).length > 30)
})

t.test('a user whose name is older than the rule is found', async (t) => {
  const server = await buildApp(t)
  const { id } = await signIn(server, 'plain')
  const odd = { username: 'a b:<c>', username_key: 'a b:<c>', username_skeleton: null }
  await directly(t, server).updateTable('users').set(odd).where('id', '=', id).execute()
  t.match(await COMMANDS.disable?.(server, 'A B:<C>'), /a b:<c> is disabled/)
  t.match(await COMMANDS.enable?.(server, 'a b:<c>'), /may log in/)
  t.match(await COMMANDS['reset-password']?.(server, 'a b:<c>'), /the code \S+$/)
  t.match(await COMMANDS.unlock?.(server, 'a b:<c>'), /was not locked/)
  await t.rejects(COMMANDS.unlock?.(server, 'no\u009bone') as Promise<string>, {
    message: 'There is no user "no\\u{9b}one".'
  })
})

t.test('unlock and a reset lift what makes a user wait, of this account alone', async (t) => {
  const server = await buildApp(t)
  for (const name of ['anita', 'kiran']) await signIn(server, name)
  const { login, passwordReset } = server.rateLimits
  const logIn = async (username: string, remoteAddress: string) => {
    const headers = { authorization: basic(username, PASSWORD) }
    return (await server.inject({ method: 'POST', url: '/login', remoteAddress, headers })).statusCode
  }
  const lock = async (username: string) => {
    for (const address of ['192.0.2.8', '2001:db8::8'])
      for (let i = 0; i < 10; i++) await login.failed(username, address)
    for (let i = 0; i < 40; i++) await login.failed(username, `198.51.100.${i}`)
    for (let i = 0; i < 5; i++) await passwordReset.consume(username, '192.0.2.8')
  }
  const addresses = ['192.0.2.8', '2001:db8::8', '203.0.113.1']
  const statuses = async (name: string) => {
    const all = []
    for (const address of addresses) all.push(await logIn(name, address))
    return all
  }
  await lock('anita')
  await lock('kiran')
  t.strictSame((await statuses('anita')).slice(0, 2), [429, 429])
  t.match(await COMMANDS.unlock?.(server, 'ANITA'), /^anita is unlocked: .* \(4\d\)\.$/)
  t.strictSame(await statuses('anita'), [200, 200, 200])
  await passwordReset.consume('anita', '192.0.2.8')
  t.strictSame((await statuses('kiran')).slice(0, 2), [429, 429], 'of another account nothing is forgotten')
  t.match(await COMMANDS.unlock?.(server, 'anita'), /unlocked/)
  t.equal(await COMMANDS.unlock?.(server, 'anita'), 'anita was not locked.')

  await lock('anita')
  const told = await COMMANDS['reset-password']?.(server, 'kiran')
  t.match(told, /^kiran is unlocked/)
  t.strictSame((await statuses('kiran')).slice(0, 2), [200, 200])
  for (let i = 0; i < 10; i++) await login.failed('kiran', '192.0.2.8')
  const payload = { username: 'kiran', code: /\S+$/.exec(told ?? '')?.[0], new_password: PASSWORD }
  t.equal((await server.inject({ method: 'POST', url: '/password-reset', payload })).statusCode, 204)
  t.equal(await logIn('kiran', '192.0.2.8'), 200, 'and the code does so again when it is used')
  t.equal(await logIn('anita', '192.0.2.8'), 429)
})
