/** Registering, logging in, sessions, keys and passwords. */
import { type Act, basic, logIn, NOBODY, PASSWORD, type Person, patch, type Stage, signUp } from '../stage.ts'

export async function accounts(stage: Stage): Promise<void> {
  for (const act of [registering, loggingIn, refreshing, sessions, keys, passwords, resets]) await act(stage)
}

const registering: Act = async ({ wire }) => {
  const post = (json: unknown) => wire.send('POST /register', { json })
  for (const username of [
    'Łucja_漢字',
    'Фёдор1821',
    'Νίκος',
    'कमल१२',
    'ש.לום-1',
    'شلوم7',
    '김민수kim',
    'scope'
  ])
    await post({ username, password: PASSWORD })
  const refused = [
    'ab',
    'x'.repeat(65),
    'a b',
    'pаris',
    '7שלום',
    'zalgo\u0300\u0301\u0302\u0303\u0304',
    'adm\u200cin',
    1,
    null
  ]
  for (const username of refused) await post({ username, password: PASSWORD })
  for (const username of ['ANNA', 'ａnna', 'sc0pe', 'ѕсоре', 'łucja_漢字'])
    await post({ username, password: PASSWORD })
  for (const password of [
    'short',
    'passwordpassword',
    'unlikelyname unlikelyname',
    'x'.repeat(129),
    'tab\tin a password',
    1
  ])
    await post({ username: 'unlikelyname', password })
  for (const json of [{}, { username: 'emil' }, { username: 'emil', password: PASSWORD, role: 'admin' }])
    await post(json)
}

const loggingIn: Act = async ({ wire }) => {
  const attempts = [
    basic('nobody', PASSWORD),
    basic('anna', 'wrong'),
    basic('', ''),
    'Basic',
    'Basic !!!',
    `Basic ${Buffer.from('no colon').toString('base64')}`,
    `Basic ${Buffer.from([0x61, 0xff, 0x3a]).toString('base64')}`,
    'Bearer x'
  ]
  for (const as of attempts) await wire.send('POST /login', { as })
  for (const username of ['ANNA', 'Łucja_漢字', 'ŁUCJA_漢字'])
    await wire.send('POST /login', {
      as: basic(username, PASSWORD),
      headers: { 'user-agent': `wire 漢 ${'x'.repeat(400)}`.replace('漢', '%') }
    })
  await wire.send('POST /login?x', { as: basic('anna', PASSWORD) })
  for (let tries = 0; tries < 11; tries++) await wire.send('POST /login', { as: basic('nikos', 'wrong') })
}

const refreshing: Act = async ({ wire }) => {
  await signUp(wire, 'refresher')
  const first = await wire.send('POST /login', { as: basic('refresher', PASSWORD) })
  const refresh = (refresh_token: unknown) => wire.send('POST /refresh', { json: { refresh_token } })
  const { json: second } = await refresh(first.json.refresh_token)
  await refresh(first.json.refresh_token)
  const { json: third } = await refresh(second.refresh_token)
  await wire.send('GET /me', { as: third.access_token })
  const [session, , secret] = third.refresh_token.split('.')
  for (const token of [
    `${session}.${'x'.repeat(22)}.${secret}`,
    `lrt_${NOBODY}.${'x'.repeat(22)}.${secret}`,
    'lrt_x',
    '',
    1,
    'x'.repeat(501)
  ])
    await refresh(token)
  await refresh(first.json.refresh_token)
  await refresh(third.refresh_token)
  await wire.send('GET /me', { as: third.access_token })
  const as = await logIn(wire, 'refresher')
  await wire.send('GET /me/sessions', { as })
}

const sessions: Act = async ({ wire }) => {
  const { token: first } = await signUp(wire, 'sessions')
  const tokens: string[] = []
  for (let count = 0; count < 5; count++) tokens.push(await logIn(wire, 'sessions'))
  const as = tokens[0] as string
  const page = await wire.send('GET /me/sessions?limit=2', { as })
  for (let next = page.json.next; next !== null; ) next = (await wire.send(`GET ${next}`, { as })).json.next
  const [newest] = page.json.data
  for (const id of [newest.id, newest.id, NOBODY, 'x']) await wire.send(`DELETE /me/sessions/${id}`, { as })
  await wire.send('GET /me', { as: tokens[4] as string })
  for (const query of ['?scope=none', '?scope=', '']) await wire.send(`POST /logout${query}`, { as: first })
  await wire.send('GET /me', { as: first })
  await wire.send('POST /logout?scope=others', { as })
  await wire.send('GET /me/sessions', { as })
  await wire.send('GET /me', { as: tokens[1] as string })
  const last = await logIn(wire, 'sessions')
  await wire.send('POST /logout?scope=all', { as: last })
  for (const token of [as, last]) await wire.send('GET /me', { as: token })
  const again = await logIn(wire, 'sessions')
  for (const query of ['', '?limit=1', '?cursor=x', '?limit=101', '?limit=-1'])
    await wire.send(`GET /me/sessions${query}`, { as: again })
}

const keys: Act = async (stage) => {
  const { wire } = stage
  const person = await signUp(wire, 'keeper')
  const as = person.token
  const create = (json: unknown) => wire.send('POST /me/keys', { as, json })
  const { json: reading } = await create({ name: 'reading 🔑', scope: 'read' })
  const { json: writing } = await create({
    name: 'writing',
    scope: 'write',
    expires_at: '2100-01-02T03:04:05+02:00'
  })
  for (const name of ['a', 'b', 'c']) await create({ name, scope: 'read', expires_at: null })
  const refused = [
    {},
    { name: '', scope: 'read' },
    { name: 'x', scope: 'all' },
    { name: 'x'.repeat(101), scope: 'read' }
  ]
  for (const json of refused) await create(json)
  for (const expires_at of [
    '2000-01-01T00:00:00Z',
    'tomorrow',
    '2100-13-01T00:00:00Z',
    1,
    '9999-12-31T23:59:59Z'
  ])
    await create({ name: 'x', scope: 'read', expires_at })
  const page = await wire.send('GET /me/keys?limit=2', { as })
  for (let next = page.json.next; next !== null; ) next = (await wire.send(`GET ${next}`, { as })).json.next
  await useKeys(stage, reading.key, writing.key)
  await wire.send('GET /me/keys', { as })
  for (const id of [reading.id, reading.id, NOBODY, 'none']) await wire.send(`DELETE /me/keys/${id}`, { as })
  await wire.send('GET /me', { as: reading.key })
  await wire.send(`DELETE /me/keys/${writing.id}`, { as: stage.cast.dora.token })
  await wire.send('GET /me/keys?cursor=x', { as })
}

async function useKeys({ wire }: Stage, reading: string, writing: string): Promise<void> {
  const json = { name: 'By A Key', book: 'Key', country: 'Keyland' }
  for (const as of [reading, writing]) {
    for (const line of [
      'GET /me',
      'GET /authors?limit=1',
      'GET /users?limit=1',
      'GET /changes?limit=1',
      'GET /me/keys',
      'GET /me/sessions'
    ])
      await wire.send(line, { as })
    await wire.send('POST /authors', { as, json })
    for (const line of [
      `DELETE /me/keys/${NOBODY}`,
      `DELETE /me/sessions/${NOBODY}`,
      `DELETE /users/${NOBODY}`,
      'POST /logout'
    ])
      await wire.send(line, { as })
    await wire.send('DELETE /me', { as, json: { password: PASSWORD } })
    await wire.send('POST /me/keys', { as, json: { name: 'x', scope: 'read' } })
    await wire.send('PUT /me/password', {
      as,
      json: { current_password: PASSWORD, new_password: 'shalimar the clown' }
    })
    await wire.send(`PATCH /users/${NOBODY}`, { as, json: { role: 'admin' } })
    await wire.send('PUT /authors/by-a-key', { as, json: { ...json, note: 'put' } })
    await wire.send('PATCH /authors/by-a-key', { as, ...patch({ note: 'patched' }) })
    for (const line of ['DELETE /authors/by-a-key', 'POST /authors/by-a-key/restore'])
      await wire.send(line, { as })
    await wire.send('POST /authors/import', {
      as,
      body: ['application/x-ndjson', JSON.stringify({ ...json, book: 'Key 2' })]
    })
  }
}

const passwords: Act = async ({ wire }) => {
  const person = await signUp(wire, 'changer')
  const as = person.token
  const other = await logIn(wire, 'changer')
  const { json: key } = await wire.send('POST /me/keys', { as, json: { name: 'x', scope: 'read' } })
  const change = (current_password: unknown, new_password: unknown, token = as) =>
    wire.send('PUT /me/password', { as: token, json: { current_password, new_password } })
  await change('wrong', 'shalimar the clown')
  for (const password of ['short', 'passwordpassword', 'changer changer changer', 1])
    await change(PASSWORD, password)
  await change(PASSWORD, 'shalimar the clown')
  for (const token of [as, other, key.key]) await wire.send('GET /me', { as: token })
  await wire.send('GET /me/sessions', { as })
  for (const password of [PASSWORD, 'shalimar the clown'])
    await wire.send('POST /login', { as: basic('changer', password) })
  for (let tries = 0; tries < 11; tries++) await change('wrong', 'two years eight months')
  await wire.send('DELETE /me', { as, json: { password: 'shalimar the clown' } })
}

const resets: Act = async ({ wire, operator }) => {
  const person = await signUp(wire, 'forgetful')
  const { json: key } = await wire.send('POST /me/keys', {
    as: person.token,
    json: { name: 'x', scope: 'write' }
  })
  const code = async () => (await operator('reset-password', 'forgetful')).split(' ').at(-1)?.trim() as string
  const reset = (json: unknown) => wire.send('POST /password-reset', { json })
  const first = await code()
  const given = { username: 'forgetful', code: await code(), new_password: 'two years eight months' }
  await reset({ ...given, code: first })
  await reset({ ...given, new_password: 'passwordpassword' })
  await reset({ ...given, username: 'nobody' })
  await reset({ ...given, code: given.code.toUpperCase() })
  await reset(given)
  for (const token of [person.token, key.key]) await wire.send('GET /me', { as: token })
  for (const password of [PASSWORD, given.new_password])
    await wire.send('POST /login', { as: basic('forgetful', password) })
  for (let tries = 0; tries < 3; tries++) await reset(given)
  await wire.send('GET /me/sessions', { as: await logIn(wire, 'forgetful', given.new_password) })
}

/** Accounts that the operator and an admin change. */
export async function operating({ wire, operator, cast }: Stage, person: Person): Promise<void> {
  for (const words of [
    ['promote', person.username],
    ['demote', person.username],
    ['disable', person.username]
  ])
    await operator(...words)
  await wire.send('GET /me', { as: person.token })
  await wire.send('POST /login', { as: basic(person.username, PASSWORD) })
  await operator('enable', person.username)
  await wire.send('GET /me/sessions', { as: await logIn(wire, person.username) })
  await operator('create', 'made by hand')
  await operator('create', 'madebyhand')
  await operator('promote', 'nobody')
  await operator('demote', cast.anna.username)
  await operator('list')
}

/** Uses up the limits, so nobody may come after it. */
export const limits: Act = async ({ wire }) => {
  for (let tries = 0; tries < 61; tries++)
    await wire.send('POST /register', { json: { username: 'anna', password: PASSWORD } })
  for (let tries = 0; tries < 301; tries++) await wire.send('POST /refresh', { json: { refresh_token: 'x' } })
  for (let tries = 0; tries < 6; tries++)
    await wire.send('POST /password-reset', {
      json: { username: 'limited', code: 'x', new_password: 'two years eight months' }
    })
}
