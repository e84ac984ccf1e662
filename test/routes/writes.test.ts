import type { FastifyInstance, InjectOptions } from 'fastify'
import { etagOf } from '../../db/authors/representation.ts'
import { deleteOldAnswers, keepAnswers } from '../../db/idempotency-keys.ts'
import { engineOf, test } from '../engines.ts'
import { AUTHOR, buildApp, directly, type Held, holdWriting, listen, numberOf, signIn } from '../helpers.ts'

type Headers = Record<string, string>

const URL_OF_AUTHOR = '/authors/salman-rushdie'
const MERGE_PATCH = 'application/merge-patch+json'

const create = (server: FastifyInstance, headers: Headers, payload: object = AUTHOR) =>
  server.inject({ method: 'POST', url: '/authors', headers, payload })

const patch = (server: FastifyInstance, headers: Headers, payload: object | string, more: Headers = {}) =>
  server.inject({
    method: 'PATCH',
    url: URL_OF_AUTHOR,
    headers: { ...headers, 'content-type': MERGE_PATCH, ...more },
    payload
  } as InjectOptions)

async function count(server: FastifyInstance): Promise<number> {
  return (await server.db.selectFrom('authors').select('id').execute()).length
}

test('PATCH changes what it names, null takes away, the rest stays', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const before = (
    await create(server, headers, {
      ...AUTHOR,
      birth_year: 1947,
      note: 'x',
      identifiers: { viaf: '1', wikidata: 'Q44306' }
    })
  ).json()
  const changed = await patch(server, headers, { birth_year: 1948, note: null, identifiers: { viaf: null } })
  t.match(changed, { statusCode: 200, headers: { etag: etagOf({ id: before.id, version: 2 }) } })
  const { updated_at: _, ...rest } = changed.json()
  t.match(rest, {
    ...AUTHOR,
    birth_year: 1948,
    note: null,
    identifiers: { viaf: null, wikidata: 'Q44306', isni: null },
    version: 2,
    slug: before.slug
  })
  t.match((await patch(server, headers, { booker_prize: null, identifiers: null })).json(), {
    booker_prize: false,
    identifiers: { wikidata: null },
    birth_year: 1948
  })
  t.match((await patch(server, headers, {})).json(), { version: 4, birth_year: 1948 })
})

test('a patch that cannot be is refused whole', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const before = (await create(server, headers, { ...AUTHOR, birth_year: 1947 })).json()
  await create(server, headers, { ...AUTHOR, book: 'Shame' })
  const cases: [object, string, RegExp][] = [
    [{ name: null }, 'VALIDATION_FAILED', /\/name/],
    [{ death_year: 1900 }, 'VALIDATION_FAILED', /before birth_year, which is 1947/],
    [{ slug: 'x' }, 'VALIDATION_FAILED', /\/slug/],
    [{ identifiers: { orcid: '1' } }, 'VALIDATION_FAILED', /orcid/],
    [[], 'VALIDATION_FAILED', /object/],
    [{ note: 'y', book: 'Shame' }, 'AUTHOR_EXISTS', /salman-rushdie-2/]
  ]
  for (const [payload, code, detail] of cases) {
    const answer = await patch(server, headers, payload)
    t.match(answer.json(), { code }, JSON.stringify(payload))
    t.match(answer.body, detail)
  }
  t.strictSame((await server.inject({ url: URL_OF_AUTHOR, headers })).json(), before)
})

test('PATCH takes merge patches only, and says so', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await create(server, headers)
  for (const type of ['application/json-patch+json', 'application/csv', 'text/plain']) {
    const answer = await patch(server, headers, '{}', { 'content-type': type })
    const types = `${MERGE_PATCH}, application/json`
    t.match(answer, { statusCode: 415, headers: { 'accept-patch': types, accept: types } }, type)
    t.match(answer.json(), { code: 'UNSUPPORTED_MEDIA_TYPE', detail: /merge-patch/ })
  }
  t.equal(
    (await patch(server, headers, '{}', { 'content-type': `${MERGE_PATCH}; charset=UTF-8` })).statusCode,
    200
  )
  // As Postman and fetch helpers send it.
  const asJson = (payload: object) => patch(server, headers, payload, { 'content-type': 'application/json' })
  t.match((await asJson({ note: 'Read it', death_year: null })).json(), { note: 'Read it', death_year: null })
  t.match((await asJson({ note: null })).json(), { note: null, book: AUTHOR.book })
  const operations = [{ op: 'replace', path: '/note', value: 'x' }]
  t.match((await asJson(operations)).json(), { code: 'VALIDATION_FAILED' }, 'a JSON patch is none')
  const post = { ...headers, 'content-type': MERGE_PATCH }
  t.equal((await create(server, post)).statusCode, 415, 'and POST takes none')
  const options = await server.inject({ method: 'OPTIONS', url: URL_OF_AUTHOR })
  t.match(options.headers, {
    allow: 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT',
    'accept-patch': `${MERGE_PATCH}, application/json`
  })
  const exporting = await server.inject({ method: 'OPTIONS', url: '/authors/export' })
  t.equal(exporting.headers.allow, 'GET, HEAD, OPTIONS')
})

test('If-None-Match gives 304 for what one has, and keeps a change from it', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { etag } = (await create(server, headers)).headers as { etag: string }
  const get = (ifNoneMatch: string, method: 'GET' | 'HEAD' = 'GET') =>
    server.inject({ method, url: URL_OF_AUTHOR, headers: { ...headers, 'if-none-match': ifNoneMatch } })
  for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    t.match(await get(tags), { statusCode: 304, body: '', headers: { etag } }, tags)
    t.equal((await get(tags, 'HEAD')).statusCode, 304)
  }
  t.equal((await get('"other"')).statusCode, 200)
  await patch(server, headers, { note: 'x' })
  t.equal((await get(etag)).statusCode, 200, 'another version')
  const stale = await patch(server, headers, { note: 'y' }, { 'if-match': etag })
  t.match(stale, { statusCode: 412, headers: { etag: /\.2"$/ } })
  const put = { method: 'PUT', url: URL_OF_AUTHOR, payload: AUTHOR } as const
  const refused = await server.inject({ ...put, headers: { ...headers, 'if-none-match': '*' } })
  t.equal(refused.statusCode, 412, 'PUT creates nothing')
})

test('Prefer: return=minimal sends no body back', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const minimal = { ...headers, prefer: 'respond-async, return=minimal; foo=1' }
  const applied = { 'preference-applied': 'return=minimal' }
  const created = await create(server, minimal)
  t.match(created, {
    statusCode: 201,
    body: '',
    headers: { ...applied, location: URL_OF_AUTHOR, etag: /\.1"$/, vary: /Prefer/ }
  })
  const put = await server.inject({ method: 'PUT', url: URL_OF_AUTHOR, headers: minimal, payload: AUTHOR })
  t.match(put, { statusCode: 204, body: '', headers: { ...applied, etag: /\.2"$/ } })
  t.match(await patch(server, minimal, { note: 'x' }), { statusCode: 204, headers: applied })
  const whole = await patch(server, headers, { note: 'y' }, { prefer: 'return="representation"' })
  t.match(whole, { statusCode: 200, headers: { 'preference-applied': 'return=representation' } })
  t.match((await patch(server, headers, {}, { prefer: 'return=nonsense' })).json(), { note: 'y' })
})

/** Both read before either writes, so that nearly each of them is a race. */
const RACES = { sqlite: 1000, postgres: 300 }

test('two who race to read, and to replace what they read, lose nothing', async (t) => {
  const races = RACES[engineOf(t)]
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await create(server, headers, { ...AUTHOR, note: '0' })
  let conflicts = 0
  async function addOne(): Promise<void> {
    for (;;) {
      const read = await server.inject({ url: URL_OF_AUTHOR, headers })
      const note = String(Number(read.json().note) + 1)
      const ifMatch = { ...headers, 'if-match': read.headers.etag as string }
      const answer = await server.inject({
        method: 'PUT',
        url: URL_OF_AUTHOR,
        headers: ifMatch,
        payload: { ...AUTHOR, note }
      })
      if (answer.statusCode === 200) return
      t.equal(answer.statusCode, 412)
      conflicts += 1
    }
  }
  for (let round = 0; round < races; round++) await Promise.all([addOne(), addOne()])
  const { note, version } = (await server.inject({ url: URL_OF_AUTHOR, headers })).json()
  t.strictSame({ note, version }, { note: String(2 * races), version: 2 * races + 1 })
  t.ok(conflicts > races / 2, `they did race: ${conflicts} conflicts`)
})

test('a retry with the same key is answered as the first time, and creates nothing', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const keyed = { ...headers, 'idempotency-key': 'a-key' }
  const first = await create(server, keyed)
  const again = await create(server, { ...headers, 'idempotency-key': '"a-key"' })
  t.strictSame([again.statusCode, again.body], [201, first.body])
  for (const name of ['location', 'etag', 'content-type', 'vary', 'cache-control'])
    t.equal(again.headers[name], first.headers[name], name)
  t.equal(await count(server), 1)

  const reused = await create(server, keyed, { ...AUTHOR, book: 'Shame' })
  t.match(reused.json(), { code: 'IDEMPOTENCY_KEY_REUSED', status: 422 })
  const elsewhere = await patch(server, headers, AUTHOR, { 'idempotency-key': 'a-key' })
  t.equal(elsewhere.statusCode, 422, 'another address is another request')

  await server.inject({ method: 'DELETE', url: URL_OF_AUTHOR, headers })
  t.equal((await create(server, keyed)).body, first.body, 'whatever has become of it since')
  t.equal(await count(server), 0)
  const other = await signIn(server, 'another')
  t.equal(
    (await create(server, { ...other.headers, 'idempotency-key': 'a-key' })).statusCode,
    201,
    'keys are per user'
  )

  const patched = await patch(server, other.headers, { note: 'x' }, { 'idempotency-key': 'patch' })
  const repeated = await patch(server, other.headers, { note: 'x' }, { 'idempotency-key': 'patch' })
  t.equal(repeated.body, patched.body)
  t.equal(patched.json().version, 2)

  const minimal = { ...other.headers, 'idempotency-key': 'minimal', prefer: 'return=minimal' }
  const payload = { ...AUTHOR, book: 'Fury' }
  t.match(await create(server, minimal, payload), { statusCode: 201, body: '' })
  t.match(await create(server, minimal, payload), {
    statusCode: 201,
    body: '',
    headers: { 'preference-applied': 'return=minimal' }
  })
})

test('what was refused is not kept: the same key does for the corrected request', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await create(server, headers)
  const keyed = { ...headers, 'idempotency-key': 'k' }
  t.equal((await create(server, keyed)).statusCode, 409)
  t.equal((await create(server, keyed, { ...AUTHOR, name: 5 })).statusCode, 400)
  t.equal((await create(server, keyed, { ...AUTHOR, book: 'Shame' })).statusCode, 201)
  for (const key of ['', 'a b', 'x'.repeat(256), 'é'])
    t.equal((await create(server, { ...headers, 'idempotency-key': key })).statusCode, 400, key)
})

test('while the first is under way a second with its key is 409, and other keys are not held up', async (t) => {
  const { url, server } = await listen(t)
  const { headers } = await signIn(server)
  const send = (key: string) =>
    fetch(`${url}/authors`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(AUTHOR)
    })
  const blocking = await holdWriting(t, server)
  // Whichever comes first.
  const both = [send('k'), send('k')]
  const refused = await Promise.race(both)
  t.equal(refused.status, 409)
  t.match(await refused.json(), { code: 'IDEMPOTENCY_KEY_IN_USE' })
  t.equal(refused.headers.get('retry-after'), '1')
  await blocking.exec('commit')
  const [answer] = (await Promise.all(both)).filter((one) => one !== refused) as [Response]
  t.equal(answer.status, 201)
  t.equal(await (await send('k')).text(), await answer.text())
  t.equal(await count(server), 1)
})

test('a key is kept for 24 hours, then forgotten', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  const db = directly(t, server)
  const keyed = { ...headers, 'idempotency-key': 'k' }
  await create(server, keyed)
  const age = (hours: number) =>
    db
      .updateTable('idempotency_keys')
      .set({ created_at: new Date(Date.now() - hours * 3_600_000).toISOString() })
      .execute()
  await age(23.9)
  t.equal((await create(server, keyed)).statusCode, 201)
  await age(24.1)
  t.equal((await create(server, keyed)).statusCode, 409, 'as if there had been none')
  const answer = { status: 201, headers: {}, body: null }
  const old = { userNumber: await numberOf(db, id), fingerprint: 'x', at: new Date().toISOString(), answer }
  for (let i = 0; i < 30; i++) await keepAnswers(db, [{ ...old, key: `old ${i}` }])
  await age(25)
  const at = new Date().toISOString()
  await keepAnswers(db, [{ ...old, key: 'new', at }])
  t.strictSame([await deleteOldAnswers(db, at, 20), await deleteOldAnswers(db, at, 20)], [20, 11])
  const kept = await db.selectFrom('idempotency_keys').select('key').execute()
  t.same(kept, [{ key: 'new' }])
})

/** Sends what `send` sends, and lets `happen` happen after the request was let in and before its command runs. */
async function interrupt<T extends { json(): { code?: string } }>(
  other: Held,
  happen: string,
  send: () => Promise<T>
): Promise<T> {
  await other.exec(happen)
  // What inject gives begins only with its `then`.
  const answer = send().then((sent) => sent)
  // It was let in as soon as its Idempotency-Key is in use.
  while ((await send()).json().code !== 'IDEMPOTENCY_KEY_IN_USE');
  await other.exec('commit')
  return answer
}

test('a credential that ends after the request was let in, and before its command runs, writes nothing', async (t) => {
  const cases: [string, object][] = [
    ["update users set role = 'reader'", { code: 'ROLE_REQUIRED', status: 403 }],
    ["update users set disabled_at = '2026-01-01T00:00:00.000Z'", { code: 'INVALID_TOKEN', status: 401 }],
    [
      "update sessions set ended_at = '2026-01-01T00:00:00.000Z', end_reason = 'logout'",
      { code: 'INVALID_TOKEN', status: 401 }
    ],
    ['delete from sessions', { code: 'INVALID_TOKEN', status: 401 }]
  ]
  for (const [happen, problem] of cases) {
    const server = await buildApp(t)
    const { headers } = await signIn(server)
    const keyed = { ...headers, 'idempotency-key': 'k' }
    const answer = await interrupt(await holdWriting(t, server), happen, () => create(server, keyed))
    t.match(answer.json(), problem, happen)
    t.equal(await count(server), 0)
    t.same(await server.db.selectFrom('idempotency_keys').selectAll().execute(), [], 'nothing is kept')
  }
})

test('an admin who is demoted after the request was let in changes nothing that others own', async (t) => {
  const server = await buildApp(t)
  const owner = await signIn(server)
  const admin = await signIn(server, 'admin')
  await create(server, owner.headers)
  const db = directly(t, server)
  await db.updateTable('users').set({ role: 'admin' }).where('id', '=', admin.id).execute()
  const demote = `update users set role = 'editor' where id = '${admin.id}'`
  const answer = await interrupt(await holdWriting(t, server), demote, () =>
    patch(server, admin.headers, { note: 'x' }, { 'idempotency-key': 'k' })
  )
  t.match(answer.json(), { code: 'NOT_OWNER', status: 403 })
})

test('of two who change one version at the same time one gets 412', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  let { etag } = (await create(server, headers)).headers as { etag: string }
  const other = await signIn(server, 'other')
  await directly(t, server).updateTable('users').set({ role: 'admin' }).where('id', '=', other.id).execute()
  for (let round = 0; round < 50; round++) {
    const answers = await Promise.all([
      patch(server, headers, { note: `owner ${round}` }, { 'if-match': etag }),
      patch(server, other.headers, { note: `admin ${round}` }, { 'if-match': etag })
    ])
    const [done, stale] = answers.sort((a, b) => a.statusCode - b.statusCode)
    t.strictSame([done?.statusCode, stale?.statusCode], [200, 412])
    etag = done?.headers.etag as string
    t.equal(stale?.headers.etag, etag, 'with the current version')
    t.equal((await server.inject({ url: URL_OF_AUTHOR, headers })).body, done?.body)
  }
})

test('a retry is answered byte for byte as the first time, whatever it prefers', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const note = '"quoted" \u2028 \u0001 \u{1F4DA} </script>'
  for (const prefer of ['', 'return=minimal', 'return=representation']) {
    const book = `Book ${prefer}`
    const keyed = (key: string) => ({ ...headers, prefer, 'idempotency-key': `${key}-${prefer}` })
    const createOne = () => create(server, keyed('create'), { ...AUTHOR, book, note })
    const created = await createOne()
    const url = created.headers.location as string
    const author = (await server.inject({ url, headers })).body
    t.strictSame([created.statusCode, created.body], [201, prefer === 'return=minimal' ? '' : author])
    const change = () =>
      server.inject({
        method: 'PATCH',
        url,
        headers: { ...keyed('patch'), 'content-type': MERGE_PATCH },
        payload: { note: `${note}!` }
      })
    const changed = await change()
    await server.inject({ method: 'DELETE', url, headers })
    const restore = () => server.inject({ method: 'POST', url: `${url}/restore`, headers: keyed('restore') })
    const restored = await restore()
    t.equal(restored.statusCode, 201)
    t.strictSame(sentIn(await createOne()), sentIn(created), `create ${prefer}`)
    t.strictSame(sentIn(await change()), sentIn(changed), `patch ${prefer}`)
    t.strictSame(sentIn(await restore()), sentIn(restored), `restore ${prefer}`)
  }
})

/** What is the same in each answer to one request. */
function sentIn({ statusCode, headers, body }: Awaited<ReturnType<typeof create>>) {
  const own = new Set(['date', 'x-request-id'])
  return { statusCode, headers: Object.entries(headers).filter(([name]) => !own.has(name)), body }
}
