/** What is let go of the past, and authors that are erased. */
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { Change } from '../../db/changes.ts'
import type { Tables } from '../../db/tables.ts'
import { AgedCatalogue } from '../../scripts/growth/aged-catalogue.ts'
import { newDatabase, test } from '../engines.ts'
import { buildApp, directly, listen, signIn, signInAdmin } from '../helpers.ts'

const ACHEBE = { name: 'Chinua Achebe', book: 'No Longer at Ease', country: 'Nigeria' }
const PATCH_TYPE = { 'content-type': 'application/merge-patch+json' }
type Headers = Record<string, string>

function client(server: FastifyInstance, headers: Headers) {
  const send = (
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    payload?: object,
    more: Headers = {}
  ) =>
    server.inject({
      method,
      url,
      headers: { ...headers, ...(method === 'PATCH' && PATCH_TYPE), ...more },
      ...(payload && { payload })
    })
  const get = async (url: string) => (await send('GET', url)).json()
  return { send, get }
}

const outlineOf = (changes: Change[]) => changes.map(({ version, operation }) => [version, operation])

/** Authors of 100 days: one that is edited every tenth day, one that was deleted on day 30, one on day 98, one that is as it was. */
async function hundredDays(t: Test, HISTORY_KEEP: string) {
  const server = await buildApp(t, { HISTORY_KEEP })
  const aged = await AgedCatalogue.open(server.config.DATABASE_URL, 100)
  const ids: string[] = []
  for (const book of ['Arrow of God', 'A Man of the People', 'Girls at War', 'Home and Exile'])
    ids.push((await aged.create({ ...ACHEBE, book })).id)
  const [edited = '', deleted = '', lately = ''] = ids
  for (let day = 10; day < 100; day += 10) {
    aged.day = day
    await aged.edit(edited, `day ${day}`)
    if (day === 30) await aged.delete(deleted)
  }
  aged.day = 98
  await aged.delete(lately)
  await aged.close()
  const { headers } = await signIn(server)
  await server.housekeeping.trimHistories()
  return { server, ids, ...client(server, headers) }
}

test('versions that were replaced longer ago than HISTORY_KEEP are let go, and the last one never', async (t) => {
  const { ids, get, send, server } = await hundredDays(t, '35d')
  const [edited, deleted, lately, unchanged] = ids.map((id) => `/authors/${id}`)
  const history: Change[] = (await get(`${edited}/history`)).data
  t.strictSame(
    history.map(({ version, record }) => [version, record?.note]),
    [10, 9, 8, 7].map((version) => [version, `day ${10 * (version - 1)}`]),
    'that of day 60 was the one of 35 days ago'
  )
  for (const version of [1, 6])
    t.match(await get(`${edited}?version=${version}`), {
      status: 410,
      code: 'VERSION_PURGED',
      detail: `What the author "${ids[0]}" was in version ${version} has been purged.`
    })
  t.match(await get(`${edited}?version=7`), { note: 'day 60', version: 7 })
  t.match(await get(`${edited}?version=11`), { code: 'VERSION_NOT_FOUND' })
  t.match(await get(edited as string), { note: 'day 90' })

  t.match(outlineOf((await get(`${deleted}/history`)).data), [[2, 'deleted']])
  t.match(await get(`${deleted}?version=1`), { code: 'VERSION_PURGED' })
  t.match(
    await get('/authors/chinua-achebe-2/history'),
    { code: 'AUTHOR_NOT_FOUND' },
    'nor is its name known'
  )
  t.match(outlineOf((await get(`${lately}/history`)).data), [
    [2, 'deleted'],
    [1, 'created']
  ])
  t.match(outlineOf((await get(`${unchanged}/history`)).data), [[1, 'created']])

  const { data: changes }: { data: Change[] } = await get('/changes?since=0&limit=100')
  const sequences = changes.map(({ sequence }) => sequence)
  t.strictSame(
    sequences,
    sequences.toSorted((a, b) => a - b)
  )
  const made = new Map(changes.map(({ author_id, record }) => [author_id, record]))
  t.strictSame(made.size, 4, 'who begins to read now comes to the same')
  for (const [id, record] of made) t.strictSame(record, record && (await get(`/authors/${id}`)))
  t.equal(changes.find(({ author_id }) => author_id === ids[1])?.record, null)

  const admin = client(server, (await signInAdmin(server)).headers)
  t.match((await admin.send('POST', `${deleted}/restore`)).json(), { status: 410, code: 'AUTHOR_PURGED' })
  const { data: restorable } = await admin.get('/authors?deleted=true')
  t.match(restorable, [{ id: ids[2] }], 'deleted authors are those that can be restored')
  t.equal(restorable.length, 1)
  t.equal((await admin.send('POST', `${lately}/restore`)).statusCode, 201)
  t.equal(
    (await send('POST', '/authors', { ...ACHEBE, book: 'A Man of the People' })).json().slug,
    'chinua-achebe-2'
  )
})

test('so many versions of each author are kept, and what was replaced today in any case', async (t) => {
  const { ids, get, send, server } = await hundredDays(t, '2v')
  const url = `/authors/${ids[0]}`
  t.strictSame(outlineOf((await get(`${url}/history`)).data), [
    [10, 'patched'],
    [9, 'patched']
  ])
  t.equal((await get(`/authors/${ids[1]}?version=1`)).book, 'A Man of the People', 'also of a deleted one')
  const admin = client(server, (await signInAdmin(server)).headers)
  for (const note of ['a', 'b', 'c']) t.equal((await admin.send('PATCH', url, { note })).statusCode, 200)
  await server.housekeeping.trimHistories()
  t.equal((await get(`${url}/history`)).data.length, 4, 'version 10 was replaced today')
  t.equal((await send('POST', `/authors/${ids[1]}/restore`)).json().code, 'NOT_OWNER')
})

test('of an age and a number each keeps what it names', async (t) => {
  for (const [setting, first] of [
    ['3v,35d', 7],
    ['35d,6v', 5],
    ['forever', 1],
    ['99999v', 1],
    ['5000d', 1]
  ] as const) {
    const { ids, get } = await hundredDays(t, setting)
    const history: Change[] = (await get(`/authors/${ids[0]}/history?limit=100`)).data
    t.equal(history.at(-1)?.version, first, setting)
  }
})

test('clocks that were wrong make nothing go too soon, and keep nothing for ever', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const aged = await AgedCatalogue.open(DATABASE_URL, 50)
  t.teardown(() => aged.close())
  const { id } = await aged.create(ACHEBE)
  for (const day of [5, 9000, 6, 20, 49.9]) {
    aged.day = day
    await aged.edit(id, `day ${day}`)
  }
  aged.day = 50
  t.equal(await aged.trim('40d'), 3, 'the one of day 6 was the one of 40 days ago')
  aged.day = 61
  t.equal(await aged.trim('40d'), 1)
  aged.day = -5000
  await aged.edit(id, 'long ago')
  aged.day = 61
  await aged.edit(id, 'today')
  t.equal(await aged.trim('20d'), 0, 'what comes after a young one is young')
})

test('an edit of many versions is trimmed in slices, also by two at once', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const servers = [
    await buildApp(t, { DATABASE_URL, HISTORY_KEEP: '365d' }),
    await buildApp(t, { DATABASE_URL, HISTORY_KEEP: '365d' })
  ] as const
  const aged = await AgedCatalogue.open(DATABASE_URL, 400)
  const [one, two] = [
    await aged.create(ACHEBE),
    await aged.create({ ...ACHEBE, book: 'Anthills of the Savannah' })
  ]
  for (const { id } of [one, two])
    await Promise.all(Array.from({ length: 350 }, (_, edit) => aged.edit(id, `edit ${edit}`)))
  await aged.close()
  await Promise.all(servers.map(({ housekeeping }) => housekeeping.trimHistories()))
  const { get } = client(servers[0], (await signIn(servers[0])).headers)
  for (const { id } of [one, two])
    t.strictSame(outlineOf((await get(`/authors/${id}/history`)).data), [[351, 'patched']])
})

/** All that is stored, but for the tables of the word index. */
async function storedText(t: Test, server: FastifyInstance): Promise<string> {
  const db = directly(t, server)
  const tables: (keyof Tables)[] = [
    'authors',
    'changes',
    'idempotency_keys',
    'account_changes',
    'rate_limits'
  ]
  const rows = await Promise.all(tables.map((table) => db.selectFrom(table).selectAll().execute()))
  return JSON.stringify(rows)
}

test('an author that is purged leaves nothing but that it was purged', async (t) => {
  const server = await buildApp(t)
  const { DATABASE_URL } = server.config
  const { headers: ownersHeaders } = await signIn(server)
  const owner = client(server, ownersHeaders)
  const elsewhere = client(await buildApp(t, { DATABASE_URL }), ownersHeaders)
  const { id: adminId, headers } = await signInAdmin(server)
  const admin = client(server, headers)
  const content = { ...ACHEBE, identifiers: { viaf: '22148095' }, note: 'Ogidi' }
  const create = () => owner.send('POST', '/authors', content, { 'idempotency-key': 'first' })
  const rename = () =>
    owner.send(
      'PATCH',
      url,
      { sort_name: 'Achebe, Chinua' },
      { 'idempotency-key': 'second', prefer: 'return=minimal' }
    )
  const { id } = (await create()).json()
  const url = `/authors/${id}`
  await rename()
  const other = (
    await owner.send('POST', '/authors', { ...ACHEBE, name: 'Ama Ata Aidoo' }, { 'idempotency-key': 'other' })
  ).body
  const page = () => owner.get('/authors?q=achebe&count=true')
  t.equal((await page()).total, 1)
  for (const { get } of [owner, elsewhere]) {
    t.equal((await get('/authors/chinua-achebe')).id, id)
    t.equal((await get(url)).id, id)
    t.equal((await get('/authors?limit=2')).data.length, 2)
  }

  t.match((await owner.send('DELETE', `${url}?purge=true`)).json(), {
    code: 'ROLE_REQUIRED',
    detail: 'This needs the role admin.'
  })
  const { key } = (await admin.send('POST', '/me/keys', { name: 'script', scope: 'write' })).json()
  const byKey = client(server, { authorization: `Bearer ${key}` })
  t.match((await byKey.send('DELETE', `${url}?purge=true`)).json(), { code: 'ACCESS_TOKEN_ONLY' })
  const stale = { 'if-match': '"000000000000.1"' }
  t.equal((await admin.send('DELETE', `${url}?purge=true`, undefined, stale)).statusCode, 412)
  t.match((await admin.send('DELETE', `${url}?purge=yes`)).json(), { code: 'VALIDATION_FAILED' })
  t.match((await admin.send('DELETE', '/authors/nobody?purge=true')).json(), { code: 'AUTHOR_NOT_FOUND' })

  const { etag = '' } = (await owner.send('GET', url)).headers
  const purge = await admin.send('DELETE', '/authors/chinua-achebe?purge=true', undefined, {
    'if-match': etag
  })
  t.strictSame([purge.statusCode, purge.body], [204, ''])
  for (const { get } of [elsewhere, owner]) {
    t.match(await get(url), { code: 'AUTHOR_NOT_FOUND' })
    t.match(await get('/authors/chinua-achebe'), { code: 'AUTHOR_NOT_FOUND' })
    t.equal((await get('/authors?limit=2')).data.length, 1, 'all caches have forgotten it')
  }
  t.equal((await page()).total, 0)
  const { data: changes }: { data: Change[] } = await owner.get('/changes?since=0')
  t.match(changes, [
    { author_id: JSON.parse(other).id },
    { author_id: id, version: 3, operation: 'purged', actor_id: adminId, record: null, sequence: 4 }
  ])
  t.strictSame((await owner.get(`${url}/history`)).data, changes.slice(1))
  t.match(await owner.get(`${url}?version=1`), { code: 'VERSION_PURGED' })
  t.strictSame((await admin.get('/authors?deleted=true')).data, [])
  t.match(await owner.get(`${url}?version=3`), { code: 'VERSION_NOT_FOUND' })
  t.match((await admin.send('POST', `${url}/restore`)).json(), {
    code: 'AUTHOR_PURGED',
    detail: new RegExp(id)
  })
  const stored = await storedText(t, server)
  for (const trace of ['achebe', 'Achebe', 'Ogidi', '22148095', 'chinua']) t.notMatch(stored, trace)

  for (const retry of [create, rename])
    t.match((await retry()).json(), { status: 410, code: 'AUTHOR_PURGED' }, 'a retry brings nothing back')
  t.equal(
    (
      await owner.send(
        'POST',
        '/authors',
        { ...ACHEBE, name: 'Ama Ata Aidoo' },
        { 'idempotency-key': 'other' }
      )
    ).body,
    other,
    'that of another author is as it was'
  )
  t.equal((await admin.send('DELETE', `${url}?purge=true`)).statusCode, 204, 'to repeat it is no error')
  t.equal((await owner.get('/changes?since=0')).data.length, 2)
  const again = (await owner.send('POST', '/authors', content)).json()
  t.match(again, { slug: 'chinua-achebe', version: 1 })
  t.not(again.id, id)
})

test('an author that was deleted is purged too, as is one with a long history', async (t) => {
  const { server, url: base } = await listen(t)
  const { headers } = await signInAdmin(server)
  const { send, get } = client(server, headers)
  const controller = new AbortController()
  const stream = await fetch(`${base}/changes/stream?since=0`, { headers, signal: controller.signal })
  const { id } = (await send('POST', '/authors', ACHEBE)).json()
  for (let i = 0; i < 450; i++) await send('PATCH', `/authors/${id}`, { note: `${i}` })
  await send('DELETE', `/authors/${id}`)
  t.equal((await send('DELETE', '/authors/chinua-achebe?purge=true')).statusCode, 204)
  t.match((await get('/changes?since=0')).data, [{ author_id: id, operation: 'purged', version: 453 }])
  let text = ''
  for await (const part of stream.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part
    if (text.includes('event: purged\n')) break
  }
  controller.abort()
  t.match(text, `"version":453,"actor_id"`)
  t.equal((await send('POST', '/authors', ACHEBE)).json().slug, 'chinua-achebe')
})

test('a purge that has taken the slug of a deleted author with a slice goes on to its end', async (t) => {
  const server = await buildApp(t)
  const aged = await AgedCatalogue.open(server.config.DATABASE_URL, 1)
  const { id } = await aged.create(ACHEBE)
  // With its deletion one version more than a slice: all of them are let go in the first one.
  await Promise.all(Array.from({ length: 199 }, (_, edit) => aged.edit(id, `edit ${edit}`)))
  await aged.delete(id)
  await aged.close()
  const { send, get } = client(server, (await signInAdmin(server)).headers)
  t.equal((await send('DELETE', '/authors/chinua-achebe?purge=true')).statusCode, 204)
  t.match((await get('/changes?since=0')).data, [{ author_id: id, operation: 'purged', version: 202 }])
})
