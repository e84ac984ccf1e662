import type { FastifyInstance } from 'fastify'
import { etagOf } from '../../db/authors/representation.ts'
import { AUTHOR_COLUMNS, type AuthorRecord, toRow, UNKNOWN_YEAR } from '../../db/authors/table.ts'
import type { Change } from '../../db/changes.ts'
import { unsoundnessOf } from '../../scripts/crash/soundness.ts'
import { test } from '../engines.ts'
import { AUTHOR, buildApp, directly, listen, PASSWORD, signIn } from '../helpers.ts'

type Headers = Record<string, string>

const SHAME = { ...AUTHOR, book: 'Shame', booker_prize: false }
const PATCH_TYPE = { 'content-type': 'application/merge-patch+json' }

function client(server: FastifyInstance, headers: Headers) {
  const send = (method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, payload?: object) =>
    server.inject({
      method,
      url,
      headers: { ...headers, ...(method === 'PATCH' && PATCH_TYPE) },
      ...(payload && { payload })
    })
  const get = async (url: string) => (await server.inject({ url, headers })).json()
  return { send, get }
}

async function allChanges(get: (url: string) => Promise<{ data: Change[]; next: string | null }>) {
  const changes: Change[] = []
  for (let next: string | null = '/changes?since=0&limit=100'; next !== null; ) {
    const page: { data: Change[]; next: string | null } = await get(next)
    changes.push(...page.data)
    next = page.next
  }
  return changes
}

test('every change is told: what, who, when, and the author after it', async (t) => {
  const server = await buildApp(t)
  const owner = await signIn(server)
  const { send, get } = client(server, owner.headers)
  const { id } = (await send('POST', '/authors', AUTHOR)).json()
  const url = `/authors/${id}`
  await send('PUT', url, SHAME)
  const patched = (await send('PATCH', url, { note: 'x' })).json()
  await send('DELETE', url)
  const restored = (await send('POST', `${url}/restore`)).json()

  const history: Change[] = (await get(`${url}/history`)).data
  t.strictSame(
    history.map(({ operation, version }) => [operation, version]),
    [
      ['restored', 5],
      ['deleted', 4],
      ['patched', 3],
      ['replaced', 2],
      ['created', 1]
    ]
  )
  t.match(history, Array(5).fill({ author_id: id, actor_id: owner.id, at: /^\d{4}-.*Z$/ }))
  t.strictSame(history[2]?.record, patched)
  t.equal(history[1]?.record, null)
  t.strictSame(history[0]?.record, restored)
  t.strictSame((await allChanges(get)).reverse(), history, 'and the log of all authors tells the same')

  t.strictSame(await get(`${url}?version=3`), patched)
  const answer = await server.inject({ url: `${url}?version=1`, headers: owner.headers })
  t.equal(answer.headers.etag, etagOf({ id, version: 1 }))
  t.match(answer.json(), { book: AUTHOR.book, version: 1 })
  for (const version of [4, 6, 999_999]) {
    t.match(await get(`${url}?version=${version}`), { code: 'VERSION_NOT_FOUND', status: 404 }, `${version}`)
  }
  const first = await get(`${url}/history?limit=2`)
  const second = await get(first.next)
  t.strictSame([...first.data, ...second.data], history.slice(0, 4))
  t.match(await get('/authors/nobody/history'), { code: 'AUTHOR_NOT_FOUND' })
})

test('what fails leaves no trace in the log', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { send, get } = client(server, headers)
  await send('POST', '/authors', AUTHOR)
  await send('POST', '/authors', AUTHOR)
  await send('PUT', '/authors/salman-rushdie', { ...AUTHOR, birth_year: 2000, death_year: 1900 })
  await send('DELETE', '/authors/nobody')
  const stale = { ...headers, 'if-match': '"x"' }
  await server.inject({ method: 'DELETE', url: '/authors/salman-rushdie', headers: stale })
  t.strictSame(
    (await allChanges(get)).map(({ operation }) => operation),
    ['created']
  )
})

test('a deleted author is still known, and comes back as it was', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { send, get } = client(server, headers)
  const before = (await send('POST', '/authors', { ...AUTHOR, identifiers: { viaf: '1' } })).json()
  const url = '/authors/salman-rushdie'
  t.match((await send('POST', `${url}/restore`)).json(), { code: 'AUTHOR_NOT_DELETED', status: 409 })
  await send('DELETE', url)
  t.equal((await get(url)).code, 'AUTHOR_NOT_FOUND')
  for (const address of [url, `/authors/${before.id}`, '/authors/Salman-Rushdie']) {
    t.equal((await get(`${address}/history`)).data.length, 2, address)
    t.strictSame(await get(`${address}?version=1`), before)
  }
  const answer = await send('POST', `${url}/restore`)
  t.match(answer, {
    statusCode: 201,
    headers: { location: url, etag: etagOf({ id: before.id, version: 3 }) }
  })
  const { updated_at, version, ...rest } = answer.json()
  t.match({ ...before, updated_at, version }, { ...rest, version: 3 })
  t.strictSame(await get(url), answer.json())
})

test('what has taken the place of a deleted author is in the way of its return', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { send, get } = client(server, headers)
  const first = (await send('POST', '/authors', { ...AUTHOR, identifiers: { viaf: '1' } })).json()
  const url = `/authors/${first.id}`
  await send('DELETE', url)
  const second = (await send('POST', '/authors', AUTHOR)).json()
  t.equal(second.slug, 'salman-rushdie')
  t.match((await send('POST', `${url}/restore`)).json(), {
    code: 'AUTHOR_EXISTS',
    detail: /\/authors\/salman-rushdie /
  })
  await send('PUT', '/authors/salman-rushdie', { ...SHAME, name: 'S. R.', identifiers: { viaf: '1' } })
  t.match((await send('POST', `${url}/restore`)).json(), {
    code: 'IDENTIFIER_TAKEN',
    detail: /\/authors\/salman-rushdie has the same viaf identifier and another name/
  })
  await send('PUT', '/authors/salman-rushdie', SHAME)
  const restored = (await send('POST', `${url}/restore`)).json()
  t.match(restored, { id: first.id, slug: 'salman-rushdie-2', version: 3 })
  t.equal((await get('/authors/salman-rushdie')).id, second.id)
  t.match((await send('POST', `${url}/restore`)).json(), { code: 'AUTHOR_NOT_DELETED' })
})

test('only the owner or an admin restores an author', async (t) => {
  const server = await buildApp(t)
  const owner = client(server, (await signIn(server, 'salman')).headers)
  const stranger = await signIn(server, 'stranger')
  await owner.send('POST', '/authors', AUTHOR)
  await owner.send('DELETE', '/authors/salman-rushdie')
  const restore = '/authors/salman-rushdie/restore'
  t.match((await client(server, stranger.headers).send('POST', restore)).json(), { code: 'NOT_OWNER' })
  await directly(t, server)
    .updateTable('users')
    .set({ role: 'admin' })
    .where('id', '=', stranger.id)
    .execute()
  const keyed = { ...stranger.headers, 'idempotency-key': 'k' }
  const restored = await client(server, keyed).send('POST', restore)
  t.equal(restored.statusCode, 201)
  t.equal((await client(server, keyed).send('POST', restore)).body, restored.body, 'and a retry is no error')
})

test('an author whose owner is deleted changes by that, and the log tells it', async (t) => {
  const server = await buildApp(t)
  const owner = await signIn(server, 'salman')
  const reader = client(server, (await signIn(server, 'reader')).headers)
  const { send } = client(server, owner.headers)
  for (let i = 0; i < 300; i++) await send('POST', '/authors', { ...AUTHOR, book: `Book ${i}` })
  await send('DELETE', '/authors/salman-rushdie-2')
  await send('DELETE', '/me', { password: PASSWORD })
  const author = await reader.get('/authors/salman-rushdie')
  t.match(author, { owner_id: null, version: 2 })
  t.match((await reader.get('/authors/salman-rushdie/history')).data[0], {
    operation: 'disowned',
    actor_id: owner.id,
    record: author
  })
  t.equal((await allChanges(reader.get)).filter(({ operation }) => operation === 'disowned').length, 299)

  const admin = await signIn(server, 'admin')
  await directly(t, server).updateTable('users').set({ role: 'admin' }).where('id', '=', admin.id).execute()
  const restored = await client(server, admin.headers).send('POST', '/authors/salman-rushdie-2/restore')
  t.match(restored.json(), { owner_id: null, version: 3 }, 'nobody owns what comes back to nobody')
})

test('the change log from its beginning makes just the authors that are there', async (t) => {
  const server = await buildApp(t)
  const users = [await signIn(server, 'anna'), await signIn(server, 'boris'), await signIn(server, 'chen')]
  const clients = users.map(({ headers }) => client(server, headers))
  const pick = <T>(values: T[]): T => values[Math.floor(Math.random() * values.length)] as T
  const names = ['Anna', 'Ännä', 'Boris', 'O’Brien', '村上']
  async function act() {
    const { send, get } = pick(clients)
    const payload = {
      ...AUTHOR,
      name: pick(names),
      book: pick(['One', 'Two', 'Three']),
      note: pick(['x', 'y', null])
    }
    const slugs = [...(await get('/authors?limit=100')).data, { slug: 'anna' }].map(({ slug }) => slug)
    const url = `/authors/${encodeURIComponent(pick(slugs))}`
    await pick([
      () => send('POST', '/authors', payload),
      () => send('POST', '/authors', payload),
      () => send('PUT', url, payload),
      () => send('PATCH', url, { note: payload.note, book: payload.book }),
      () => send('DELETE', url),
      () => send('POST', `${url}/restore`)
    ])()
  }
  const countChanges = async () => (await allChanges((clients[0] as (typeof clients)[0]).get)).length
  // Most of what they do changes nothing, now and then nearly all of it.
  for (let round = 0; round < 100 || (await countChanges()) < 60; round++) {
    await Promise.all(Array.from({ length: 5 }, act))
  }
  const rows = 'name,book,country\nIvo,Four,Croatia\nJana,Five,Serbia\n'
  await server.inject({
    method: 'POST',
    url: '/authors/import',
    headers: { ...users[0]?.headers, 'content-type': 'text/csv' },
    payload: rows
  })
  await clients[1]?.send('DELETE', '/me', { password: PASSWORD })

  const changes = await allChanges((clients[0] as (typeof clients)[0]).get)
  const owners = await server.db.selectFrom('users').select(['id', 'number']).execute()
  const [numbers, rebuilt] = [new Map<string, number>(), new Map<string, object>()]
  for (const { author_id, record, operation, sequence } of changes) {
    if (operation === 'created') numbers.set(author_id, sequence)
    const number = numbers.get(author_id) as number
    if (record === null) rebuilt.delete(author_id)
    else rebuilt.set(author_id, allColumnsOf(record, number, owners))
  }
  const actual = await server.db.selectFrom('authors').selectAll().orderBy('id').execute()
  const columns = Object.keys(actual[0] as object)
  const plain = (row: object) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => columns.includes(name)))
  t.same(
    [...rebuilt.entries()].sort().map(([, row]) => plain(row)),
    actual.map(plain)
  )
  t.strictSame(await unsoundnessOf(server.config.DATABASE_URL), [])
  t.ok(actual.length > 2 && changes.length > 60, `${changes.length} changes`)
  t.strictSame(
    changes.map(({ sequence }) => sequence),
    changes.map((_, index) => index + 1)
  )
  t.ok(AUTHOR_COLUMNS.every((column) => columns.includes(column)))
})

/** What a row has of a record, also where that is computed. */
function allColumnsOf(record: AuthorRecord, number: number, owners: { id: string; number: number }[]) {
  const { name, sort_name, book, country, birth_year, death_year, note, created_at, owner_id } = record
  const owner_number = owners.find(({ id }) => id === owner_id)?.number ?? null
  const birth_key = birth_year ?? UNKNOWN_YEAR
  const computed = { name, sort_name, book, country, death_year, note, created_at, birth_key }
  const row = toRow(record, { number, owner_number })
  return { ...row, ...computed, name_order: row.sort_key ?? row.name_key }
}

/** All that comes until the stream ends. */
async function restOf(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<string> {
  let text = ''
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    text += Buffer.from(part.value).toString()
  }
  return text
}

/** Reads server-sent events until it has enough of them or the connection ends. */
async function* readEvents(url: string, headers: Headers, signal: AbortSignal) {
  const answer = await fetch(url, { headers, signal })
  let rest = ''
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() as string
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2)))
      if ('id' in fields)
        yield { id: fields.id, event: fields.event, change: JSON.parse(fields.data) as Change }
    }
  }
}

test('a stream that is cut off again and again brings each change once, in order', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const { send } = client(server, headers)
  // STREAM_CHANGES=10000 for the long form.
  const CHANGES = Number(process.env.STREAM_CHANGES ?? 1000)
  const seen: number[] = []
  let cuts = 0
  async function readAll() {
    while (seen.length < CHANGES) {
      const cutAfter = cuts < 100 ? Math.ceil(Math.random() * 20) : Number.POSITIVE_INFINITY
      const controller = new AbortController()
      let received = 0
      try {
        const from = { ...headers, 'last-event-id': String(seen.at(-1) ?? 0) }
        for await (const { id, event, change } of readEvents(
          `${url}/changes/stream`,
          from,
          controller.signal
        )) {
          t.ok(String(change.sequence) === id && change.operation === event, { skip: false })
          seen.push(change.sequence)
          received += 1
          if (received < cutAfter && seen.length < CHANGES) continue
          // What has come with it already is lost too.
          cuts += 1
          controller.abort()
          break
        }
      } catch (error) {
        if ((error as Error).name !== 'AbortError') throw error
      }
    }
  }
  const reading = readAll()
  async function write(from: number) {
    for (let i = from; i < CHANGES; i += 8) await send('POST', '/authors', { ...AUTHOR, book: `Book ${i}` })
  }
  await Promise.all(Array.from({ length: 8 }, (_, i) => write(i)))
  await reading
  t.ok(cuts >= 60, `${cuts} cuts`)
  t.strictSame(
    seen,
    Array.from({ length: CHANGES }, (_, i) => i + 1)
  )
})

test('a stream begins where it is asked to, and by default with what is still to come', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const { send } = client(server, headers)
  await send('POST', '/authors', AUTHOR)
  await send('PUT', '/authors/salman-rushdie', SHAME)
  const first = async (address: string, more: Headers = {}, meanwhile = async () => {}) => {
    const controller = new AbortController()
    const events = readEvents(`${url}${address}`, { ...headers, ...more }, controller.signal)
    const next = events.next()
    await meanwhile()
    const { value } = await next
    controller.abort()
    return value?.change.sequence
  }
  t.equal(await first('/changes/stream?since=0'), 1)
  t.equal(await first('/changes/stream?since=1'), 2)
  t.equal(await first('/changes/stream?since=0', { 'last-event-id': '1' }), 2)
  const answer = await fetch(`${url}/changes/stream`, { headers })
  t.match(answer.headers.get('content-type'), 'text/event-stream')
  t.equal(answer.headers.get('x-accel-buffering'), 'no', 'a proxy does not wait for more')
  t.equal(answer.headers.get('cache-control'), 'no-store')
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  t.equal((await reader?.read())?.value, ': changes\n\n')
  await send('DELETE', '/authors/salman-rushdie')
  t.match((await reader?.read())?.value, /^id: 3\nevent: deleted\ndata: {"sequence":3,/)
  await reader?.cancel()
  const head = await server.inject({ method: 'HEAD', url: '/changes/stream', headers })
  t.match(head, { statusCode: 200, headers: { 'content-type': /event-stream/ } })
  for (const id of ['x', '-1', '1.5', '1e3', '9'.repeat(16)]) {
    const refused = await server.inject({
      url: '/changes/stream',
      headers: { ...headers, 'last-event-id': id }
    })
    t.equal(refused.statusCode, 400, id)
  }
})

test('a stream ends with its session and with the service, and one user has ten at most', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const { send } = client(server, headers)
  const open = () => fetch(`${url}/changes/stream`, { headers })
  const opened = await Promise.all(Array.from({ length: 14 }, open))
  const refused = opened.filter(({ status }) => status === 429)
  t.equal(refused.length, 4, 'of those that come at the same time too')
  t.equal(refused[0]?.headers.get('retry-after'), '60')
  t.match(await refused[0]?.json(), { code: 'TOO_MANY_STREAMS' })
  const streams = opened.filter(({ status }) => status === 200).map(({ body }) => body?.getReader())
  for (const reader of streams) await reader?.read()
  await streams.pop()?.cancel()
  let again = await open()
  while (again.status === 429) again = await open()
  t.equal(again.status, 200, 'one that is closed makes room')
  streams.push(again.body?.getReader())
  await streams.at(-1)?.read()

  const { headers: others } = await signIn(server, 'other')
  const other = (await fetch(`${url}/changes/stream`, { headers: others })).body?.getReader()
  await other?.read()
  await send('POST', '/logout')
  await client(server, others).send('POST', '/authors', AUTHOR)
  for (const reader of streams) t.notMatch(await restOf(reader), 'id:', 'nothing more after the logout')
  const rest = restOf(other)
  await server.close()
  t.match(await rest, /^id: 1$/m, 'and the end of the service is the end of the stream')
})
