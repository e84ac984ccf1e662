import argon2 from 'argon2'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { uuidv7 } from 'uuidv7'
import { upsertPasswordReset } from '../../db/password-resets.ts'
import { insertUser } from '../../db/users.ts'
import { Registration } from '../../schemas/users.ts'
import { test } from '../engines.ts'
import { basic, buildApp, directly, PASSWORD, signIn } from '../helpers.ts'

const { username: USERNAME, password: NEW_PASSWORD } = Registration.properties
const everyCharacter = Array.from({ length: 0x110000 }, (_, code) => String.fromCodePoint(code))

function packs(characters: string[], size: number): string[] {
  const count = Math.ceil(characters.length / size)
  return Array.from({ length: count }, (_, i) => characters.slice(i * size, (i + 1) * size).join(''))
}

test('POST /register makes a user and says where it is', async (t) => {
  const server = await buildApp(t)
  const payload = { username: 'salman', password: PASSWORD }
  const answer = await server.inject({ method: 'POST', url: '/register', payload })
  t.equal(answer.statusCode, 201)
  const user = answer.json()
  t.strictSame(Object.keys(user), ['id', 'username', 'role', 'disabled', 'created_at'], 'and never a hash')
  t.equal(answer.headers.location, `/users/${user.id}`)
  const { password_hash } = await server.db.selectFrom('users').selectAll().executeTakeFirstOrThrow()
  t.match(password_hash, /^\$argon2id\$v=19\$m=19456,p=1,t=2\$/)
})

test('a username is taken once, whatever its case or compatibility form', async (t) => {
  const server = await buildApp(t)
  const register = (username: string) =>
    server.inject({ method: 'POST', url: '/register', payload: { username, password: PASSWORD } })
  t.equal((await register('Salman')).statusCode, 201)
  for (const username of ['Salman', 'salman', 'SALMAN', 'Ｓalman']) {
    const answer = await register(username)
    t.equal(answer.statusCode, 409, username)
    t.match(answer.json(), { code: 'USERNAME_TAKEN', detail: new RegExp(username) })
  }
})

test('a username with what cannot be seen is refused, and the refusal names it', async (t) => {
  const server = await buildApp(t)
  await signIn(server, 'admin')
  const ignorable = everyCharacter.filter((character) => /\p{DI}/u.test(character))
  const pattern = new RegExp(USERNAME.pattern as string, 'u')
  t.strictSame(
    ignorable.filter((character) => pattern.test(`ad${character}min`) || pattern.test(`${character}admin`)),
    []
  )
  for (const character of ['\u180b', '\u17b5', '\uffa0', '\ufe01', '\u{e0104}', '\u200c', '\u2063']) {
    const code = `U+${character.codePointAt(0)?.toString(16).toUpperCase()}`
    for (const username of [`${character}admin`, `adm${character}in`, `admin${character}`]) {
      const payload = { username, password: PASSWORD }
      const answer = (await server.inject({ method: 'POST', url: '/register', payload })).json()
      t.match(answer, { code: 'VALIDATION_FAILED', status: 400, errors: [{ pointer: '/username' }] })
      t.match(answer.errors[0].detail, `has ${code}, a character that cannot be seen`)
    }
  }
})

test('a username keeps to one script, or to Latin with those of one East Asian language', async (t) => {
  const server = await buildApp(t)
  const register = async (username: string) =>
    (
      await server.inject({ method: 'POST', url: '/register', payload: { username, password: PASSWORD } })
    ).json()
  const refused: [string, string][] = [
    ['pаris', 'mixes Latin and Cyrillic letters'],
    ['αlpha', 'mixes Greek and Latin letters'],
    ['ραrіs', 'mixes Greek, Latin and Cyrillic letters'],
    ['ᏢARIS', 'mixes Cherokee and Latin letters'],
    ['東京кот', 'mixes Han and Cyrillic letters'],
    ['한글ひらがな', 'mixes Hangul and Hiragana letters'],
    ['anna\u0660', 'mixes Latin and Arabic letters'],
    ['abcـ', 'mixes Latin and '],
    ['مريم12\u0663', 'mixes digits of several scripts'],
    ['سارا\u0661\u06f2', 'mixes digits of several scripts'],
    ['7שלום', 'begins with a digit'],
    ['1-ابن', 'begins with a digit'],
    ['۲سارا', 'begins with a digit'],
    ['admi\u0307n', 'has U+0307, which cannot be seen on i'],
    ['ad\u0323j\u0323\u0307', 'has U+0307, which cannot be seen on j'],
    ['re\u0301\u0301mi', 'has the mark U+0301 twice in a row'],
    ['zalgo\u0300\u0301\u0302\u0303\u0304', 'has more than 4 marks in a row']
  ]
  for (const [username, detail] of refused) {
    const answer = await register(username)
    t.match(answer, { code: 'VALIDATION_FAILED', status: 400, errors: [{ pointer: '/username' }] }, username)
    t.ok(answer.errors[0].detail.startsWith(detail), `${username}: ${answer.errors[0].detail}`)
  }
  const taken = [
    'Łucja_漢字',
    'yuki-ゆきユキ雪',
    '김민수kim',
    'ㄅㄆ文wen',
    'Đặng.Thị',
    'İstanbul',
    'Ąžuolas',
    'कमल१२',
    'ש.לום-1',
    'Фёдор1821',
    'Νίκος',
    'ꮳꮃꭹ',
    'ไทย๓',
    'شلوم7',
    '٣سارا',
    '7кот',
    '\u{116da}\u{116e3}\u{116e0}'
  ]
  for (const username of taken) {
    t.match(await register(username), { username }, username)
    const headers = { authorization: basic(username, PASSWORD) }
    t.equal((await server.inject({ method: 'POST', url: '/login', headers })).statusCode, 200)
  }
})

test('a username that looks like another is taken', async (t) => {
  const server = await buildApp(t)
  const register = (username: string) =>
    server.inject({ method: 'POST', url: '/register', payload: { username, password: PASSWORD } })
  const lookalikes: Record<string, string[]> = {
    scope: ['\u0455\u0441\u043e\u0440\u0435', '\u0405\u0421\u041e\u0420\u0415', 'ꓢꓚꓳꓑꓰ', 'sc0pe', 'SC0PE'],
    salman: ['saIman', 'sa1man', 'salrnan', 'SA1MAN'],
    kadın: ['kadin']
  }
  for (const [username, others] of Object.entries(lookalikes)) {
    t.equal((await register(username)).statusCode, 201, username)
    for (const other of others) {
      const answer = await register(other)
      t.match(answer.json(), {
        code: 'USERNAME_TAKEN',
        status: 409,
        errors: [{ pointer: '/username', detail: `looks the same as ${username}` }]
      })
    }
  }
  for (const username of ['scopes', 'Salmon', 'Сара', 'José'])
    t.equal((await register(username)).statusCode, 201)

  const both = await Promise.all([register('\u0440\u0430\u0440\u0430'), register('papa')])
  t.strictSame(both.map(({ statusCode }) => statusCode).sort(), [201, 409], 'also at the same moment')
})

/** A user whom registration need not take. */
async function insertOldUser(t: Test, server: FastifyInstance, username: string, passwordHash: string) {
  const user = { id: uuidv7(), at: new Date().toISOString(), username, passwordHash }
  await insertUser(directly(t, server), user)
}

test('names of before go on to work, and have their look for themselves', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const passwordHash = await server.passwords.hash(PASSWORD)
  const names = ['ad\u034fmin', 'pаris', 're\u0301\u0301mi']
  for (const username of names) await insertOldUser(t, server, username, passwordHash)
  for (const username of names) {
    const authorization = basic(username, PASSWORD)
    const loggedIn = await server.inject({ method: 'POST', url: '/login', headers: { authorization } })
    t.equal(loggedIn.statusCode, 200)
    const me = await server.inject({
      url: '/me',
      headers: { authorization: `Bearer ${loggedIn.json().access_token}` }
    })
    t.match(me.json(), { username })
  }
  const { data } = (await server.inject({ url: '/users', headers })).json()
  t.strictSame(data.map(({ username }: { username: string }) => username).sort(), [...names, 'salman'].sort())
  for (const username of ['admin', 'paris']) {
    const payload = { username, password: PASSWORD }
    t.equal((await server.inject({ method: 'POST', url: '/register', payload })).statusCode, 409, username)
  }
})

test('of 20 simultaneous registrations of one name one succeeds', async (t) => {
  const server = await buildApp(t)
  const payload = { username: 'salman', password: PASSWORD }
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => server.inject({ method: 'POST', url: '/register', payload }))
  )
  t.strictSame(answers.map(({ statusCode }) => statusCode).sort(), [201, ...Array(19).fill(409)])
})

test('POST /register refuses what could not be a login', async (t) => {
  const server = await buildApp(t)
  const cases: [object, string][] = [
    [{ username: 'ab', password: PASSWORD }, '/username'],
    [{ username: 'x'.repeat(65), password: PASSWORD }, '/username'],
    [{ username: 'with:colon', password: PASSWORD }, '/username'],
    [{ username: 'with space', password: PASSWORD }, '/username'],
    [{ username: '.hidden', password: PASSWORD }, '/username'],
    [{ username: 'nul\u0000', password: PASSWORD }, '/username'],
    [{ username: 5, password: PASSWORD }, '/username'],
    [{ username: 'salman', password: 'x'.repeat(14) }, '/password'],
    [{ username: 'salman', password: `fourteen and a \n newline` }, '/password'],
    [{ username: 'salman', password: 'x'.repeat(129) }, '/password'],
    [{ username: 'salman', password: 123456789012345 }, '/password'],
    [{ username: 'salman' }, '/password'],
    [{ username: 'salman', password: PASSWORD, role: 'admin' }, '/role']
  ]
  for (const [payload, pointer] of cases) {
    const answer = await server.inject({ method: 'POST', url: '/register', payload })
    t.equal(answer.statusCode, 400, JSON.stringify(payload))
    t.match(answer.json().errors, [{ pointer }])
  }
})

test('POST /register refuses passwords that everybody would guess first', async (t) => {
  const server = await buildApp(t)
  const cases = [
    ['salman', 'passwordpassword', /most common/],
    ['salman', 'PASSWORDpassword', /most common/],
    ['salman', '1234567890qwerty', /most common/],
    ['salman.rushdie.1947', 'Salman.Rushdie.1947', /username/]
  ] as const
  for (const [username, password, detail] of cases) {
    const answer = await server.inject({ method: 'POST', url: '/register', payload: { username, password } })
    t.match(answer.json(), {
      code: 'PASSWORD_REFUSED',
      status: 400,
      errors: [{ pointer: '/password', detail }]
    })
  }
})

test('POST /register is refused while registration is closed', async (t) => {
  const server = await buildApp(t, { REGISTRATION: 'closed' })
  const payload = { username: 'salman', password: PASSWORD }
  const answer = await server.inject({ method: 'POST', url: '/register', payload })
  t.match(answer.json(), { code: 'REGISTRATION_CLOSED', status: 403 })
})

test('POST /login answers a token that is not to be stored', async (t) => {
  const server = await buildApp(t, { ACCESS_TOKEN_TTL: 60 })
  await signIn(server)
  const answer = await server.inject({
    method: 'POST',
    url: '/login',
    headers: { authorization: basic('SALMAN', PASSWORD), 'content-type': 'application/json' }
  })
  t.equal(answer.statusCode, 200, 'the username in any case, and an empty body of any type')
  t.match(answer.json(), { access_token: /^[\w-]+\.[\w-]+\.[\w-]+$/, token_type: 'Bearer', expires_in: 60 })
  t.equal(answer.headers['cache-control'], 'no-store')
})

test('passwords may be of any script, in any normal form', async (t) => {
  const server = await buildApp(t)
  const username = 'Łucja.漢字'
  const password = 'пароль ẛ̣ 🔑 zażółć'
  const registered = await server.inject({
    method: 'POST',
    url: '/register',
    payload: { username, password }
  })
  t.equal(registered.statusCode, 201)
  for (const form of ['NFC', 'NFD', 'NFKC'] as const) {
    const headers = { authorization: basic(username, password.normalize(form)) }
    t.equal((await server.inject({ method: 'POST', url: '/login', headers })).statusCode, 200, form)
  }
})

test('HTTP Basic carries every character that a password or a username may have', async (t) => {
  const server = await buildApp(t, { RATE_LIMIT: 'off' })
  // Costs next to nothing, so that all of Unicode can be tried.
  const passwordHash = await argon2.hash('x', {
    type: argon2.argon2id,
    memoryCost: 1024,
    timeCost: 1,
    parallelism: 1
  })
  await insertOldUser(t, server, 'salman', passwordHash)
  const pattern = new RegExp(NEW_PASSWORD.pattern as string, 'u')
  const taken = everyCharacter.filter((character) => pattern.test(character))
  t.ok(taken.length > 1_100_000)
  const refused: string[] = []
  for (const password of packs(taken, 2800)) {
    const headers = { authorization: basic('salman', password) }
    const { code } = (await server.inject({ method: 'POST', url: '/login', headers })).json()
    if (code !== 'INVALID_CREDENTIALS')
      refused.push(`${code} from ${password.codePointAt(0)?.toString(16)} on`)
  }
  t.strictSame(refused, [])

  const names = new RegExp(USERNAME.pattern as string, 'u')
  const ofNames = everyCharacter.filter((character) => names.test(`aa${character}`))
  t.ok(ofNames.length > 140_000)
  t.notMatch(ofNames.join(''), /[:\p{C}\p{Z}]/u, 'none that divides, or that Basic does not carry')
})

test('whatever registration, a change and a reset of a password take logs in', async (t) => {
  const server = await buildApp(t, { RATE_LIMIT: 'off' })
  const pattern = new RegExp(NEW_PASSWORD.pattern as string, 'u')
  const rare = /[\p{Z}\p{Cc}\p{Cf}\p{DI}\ufffd\uffff]/u
  const sample = everyCharacter.filter(
    (character, code) => (rare.test(character) && !/\p{Cn}/u.test(character)) || code % 3331 === 0
  )
  const [first = '', ...others] = packs(
    sample.filter((character) => pattern.test(character)),
    125
  ).map((pack) => ` ${pack}: `)
  const logIn = (password: string) =>
    server.inject({ method: 'POST', url: '/login', headers: { authorization: basic('salman', password) } })
  const send = async (method: 'POST' | 'PUT', url: string, payload: object, headers = {}) =>
    t.match((await server.inject({ method, url, payload, headers })).statusCode, /20[14]/)

  await send('POST', '/register', { username: 'salman', password: first })
  const { access_token } = (await logIn(first)).json()
  const headers = { authorization: `Bearer ${access_token}` }
  const { id } = (await server.inject({ url: '/me', headers })).json()
  let current = first
  for (const next of [':\ufeff and colons :', '\ufeff the moors last sigh', ...others.slice(0, -1)]) {
    await send('PUT', '/me/password', { current_password: current, new_password: next }, headers)
    t.equal((await logIn(next)).statusCode, 200, `from ${next.codePointAt(1)?.toString(16)} on`)
    current = next
  }
  const last = others.at(-1) as string
  await upsertPasswordReset(directly(t, server), id, 'the-code', new Date(Date.now() + 60_000).toISOString())
  await send('POST', '/password-reset', { username: 'salman', code: 'the-code', new_password: last })
  t.equal((await logIn(last)).statusCode, 200)
  for (const other of [last.trim(), last.slice(1), `${last} `, `\ufeff${last}`])
    t.equal((await logIn(other)).statusCode, 401, 'nothing is cut off or passed over')
})

test('a password that Basic cannot carry is refused with the character that is to blame', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const hidden = ['\u2028', '\u2029', '\n', '\u007f', '\u001b']
  for (const character of hidden) {
    const password = `shalimar ${character} the clown`
    const code = `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
    const answers = [
      await server.inject({ method: 'POST', url: '/register', payload: { username: 'anna', password } }),
      await server.inject({
        method: 'POST',
        url: '/password-reset',
        payload: { username: 'salman', code: 'x', new_password: password }
      }),
      await server.inject({
        method: 'PUT',
        url: '/me/password',
        headers,
        payload: { current_password: PASSWORD, new_password: password }
      })
    ]
    for (const answer of answers) {
      t.match(answer.json(), { code: 'VALIDATION_FAILED', status: 400 })
      t.ok(answer.json().errors[0].detail.startsWith(`has ${code}, a `), code)
    }
  }
})

test('credentials that are not base64 of UTF-8 are no credentials, and reach no account', async (t) => {
  const server = await buildApp(t)
  const password = '~~~ ??? >>> the moors'
  await server.inject({ method: 'POST', url: '/register', payload: { username: 'salman', password } })
  const codeFor = async (authorization: string) =>
    (await server.inject({ method: 'POST', url: '/login', headers: { authorization } })).json().code
  const good = basic('salman', password)
  t.match(good, /[+/].*=$/, 'with what the variants of base64 differ in')
  for (const variant of [
    good.replace('Basic', 'bASIC'),
    good.replace(/=+$/, ''),
    good.replaceAll('+', '-').replaceAll('/', '_')
  ])
    t.equal(await codeFor(variant), undefined, 'is a login')

  const encode = (...bytes: number[]) =>
    `Basic ${Buffer.from([...Buffer.from('salman:'), ...bytes]).toString('base64')}`
  const broken = [
    good.replace('Basic ', 'Basic ~'),
    good.replace('Basic c', 'Basic .c'),
    good.replace('Basic ', 'Basic  '),
    `${good}==`.replace(/=+$/, '===='),
    `${good.slice(0, -1)}A`.replace(/=?A$/, 'A'),
    good.replace(/=+$/, '=x'),
    `${good}, ${good}`,
    encode(0xff),
    encode(0xc0, 0xaf),
    encode(0xed, 0xa0, 0x80),
    encode(0xf4, 0x90, 0x80, 0x80),
    encode(0xe2, 0x80),
    encode(...Buffer.from(password, 'utf16le'))
  ]
  for (const authorization of broken)
    t.equal(await codeFor(authorization), 'CREDENTIALS_REQUIRED', authorization)

  const others = [
    '\ufeffsalman',
    ' salman',
    'salman ',
    'salman\u00a0',
    'sal:man',
    'sal\u00adman',
    'salman\u0085'
  ]
  for (const username of others)
    t.equal(await codeFor(basic(username, password)), 'INVALID_CREDENTIALS', username)
})

test('every failed login is 401 with the Basic challenge, and tells nothing else', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const challenge = 'Basic realm="library", charset="UTF-8"'
  const cases: [string | undefined, string][] = [
    [undefined, 'CREDENTIALS_REQUIRED'],
    ['Bearer x', 'CREDENTIALS_REQUIRED'],
    ['Basic', 'CREDENTIALS_REQUIRED'],
    ['Basic !!!', 'CREDENTIALS_REQUIRED'],
    [`Basic ${btoa('no-colon')}`, 'CREDENTIALS_REQUIRED'],
    [basic('salman', 'with\u0000nul'), 'CREDENTIALS_REQUIRED'],
    [basic('salman', 'wrong password!'), 'INVALID_CREDENTIALS'],
    [basic('nobody', PASSWORD), 'INVALID_CREDENTIALS'],
    [basic('', ''), 'INVALID_CREDENTIALS'],
    [basic("' or 1=1 --", PASSWORD), 'INVALID_CREDENTIALS'],
    [basic('salman', 'x'.repeat(10_000)), 'INVALID_CREDENTIALS']
  ]
  for (const [authorization, code] of cases) {
    const headers = authorization === undefined ? {} : { authorization }
    const answer = await server.inject({ method: 'POST', url: '/login', headers })
    t.match(
      answer,
      { statusCode: 401, headers: { 'www-authenticate': challenge } },
      `${authorization}`.slice(0, 80)
    )
    t.match(answer.json(), { code })
  }
  const wrong = await server.inject({
    method: 'POST',
    url: '/login',
    headers: { authorization: basic('salman', 'x') }
  })
  const unknown = await server.inject({
    method: 'POST',
    url: '/login',
    headers: { authorization: basic('nobody', 'x') }
  })
  t.strictSame({ ...wrong.json(), instance: '' }, { ...unknown.json(), instance: '' })
})

test('an unknown user costs the same work as a wrong password', async (t) => {
  const server = await buildApp(t)
  await signIn(server)
  const hash = await argon2.hash('x', {
    type: argon2.argon2id,
    memoryCost: 19_456,
    timeCost: 2,
    parallelism: 1
  })
  const timed = async (stored: string | undefined) => {
    const start = process.hrtime.bigint()
    t.equal(await server.passwords.verify(stored, 'wrong'), false)
    return Number(process.hrtime.bigint() - start)
  }
  const rounds: [number, number][] = []
  for (let i = 0; i < 15; i++) rounds.push([await timed(hash), await timed(undefined)])
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[7] as number
  const ratio = median(rounds.map(([known]) => known)) / median(rounds.map(([, unknown]) => unknown))
  t.ok(ratio > 0.5 && ratio < 2, `ratio ${ratio}: not the hundredfold of work that is left out`)
})

test('when too many log in at once the rest is told to come back, and the service stays', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const login = () =>
    server.inject({ method: 'POST', url: '/login', headers: { authorization: basic('salman', PASSWORD) } })
  const logins = Array.from({ length: 140 }, login)
  const read = await server.inject({ url: '/me', headers })
  t.equal(read.statusCode, 200, 'others are served meanwhile')
  const answers = await Promise.all(logins)
  const refused = answers.filter(({ statusCode }) => statusCode !== 200)
  t.ok(refused.length > 0 && refused.length < 15, `${refused.length} refused`)
  for (const answer of refused) {
    t.match(answer, { statusCode: 503, headers: { 'retry-after': '2' } })
    t.match(answer.json(), { code: 'TOO_BUSY' })
  }
  t.equal((await login()).statusCode, 200)
})

test('GET /me tells who I am', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  t.match((await server.inject({ url: '/me', headers })).json(), { id, username: 'salman' })
})
