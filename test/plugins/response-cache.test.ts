import Sqlite from 'better-sqlite3'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { Connection as ServerConnection } from '../../db/postgres/connection.ts'
import { engineOf, newDatabase, test } from '../engines.ts'
import { AUTHOR, basic, buildApp, PASSWORD, signIn } from '../helpers.ts'

type Headers = Record<string, string>

const MIB = 1024 * 1024

const create = async (server: FastifyInstance, headers: Headers, content: object = {}) =>
  (
    await server.inject({ method: 'POST', url: '/authors', headers, payload: { ...AUTHOR, ...content } })
  ).json()

/** Two instances on one database. */
async function buildTwo(t: Test) {
  const DATABASE_URL = await newDatabase(t)
  return [await buildApp(t, { DATABASE_URL }), await buildApp(t, { DATABASE_URL })] as const
}

/** As each request does when it is let in. */
async function catchUp(server: FastifyInstance): Promise<void> {
  await server.dataChanges.catchUp()
}

/** Counts the queries that give rows, of all connections that are opened from now on, and says how many of them a look at both logs takes. */
function countQueries(t: Test) {
  const counted = { queries: 0, ofALook: engineOf(t) === 'sqlite' ? 2 : 0 }
  if (engineOf(t) === 'sqlite') countInSqlite(t, counted)
  else countInPostgres(t, counted)
  return counted
}

/** But not those that ask what has changed, since others who use the server bring them about too. */

function countInPostgres(t: Test, counted: { queries: number }): void {
  const { run } = ServerConnection.prototype
  t.teardown(() => {
    ServerConnection.prototype.run = run
  })
  ServerConnection.prototype.run = function (this: ServerConnection, ...args) {
    if (/ from "(authors|users|sessions)"/.test(args[0].sql)) counted.queries += 1
    return run.apply(this, args)
  }
}

function countInSqlite(t: Test, counted: { queries: number }): void {
  const { prepare } = Sqlite.prototype
  t.teardown(() => {
    Sqlite.prototype.prepare = prepare
  })
  Sqlite.prototype.prepare = function (this: Sqlite.Database, source: string) {
    const statement = prepare.call(this, source) as Sqlite.Statement
    const all = statement.all.bind(statement)
    return Object.defineProperty(statement, 'all', {
      value: (...parameters: unknown[]) => {
        counted.queries += 1
        return all(...parameters)
      }
    })
  } as typeof prepare
}

test('what was read before is answered without a query, until it changes', async (t) => {
  const counted = countQueries(t)
  const [server, other] = await buildTwo(t)
  const { headers } = await signIn(server)
  const { id, slug } = await create(server, headers)
  await create(server, headers, { book: 'Fury' })
  const { id: unchanged } = await create(server, headers, { book: 'Shame' })
  const queriesFor = async (url: string) => {
    const before = counted.queries
    await server.inject({ url, headers })
    return counted.queries - before
  }
  const urls = [
    `/authors/${id}`,
    `/authors/${slug}`,
    `/authors/${unchanged}`,
    '/authors?limit=1',
    '/authors?owner=me'
  ]
  for (const url of urls) await queriesFor(url)
  const { hits, misses } = server.responseCache.counts
  for (const url of urls) t.equal(await queriesFor(url), 0, url)
  t.strictSame(server.responseCache.counts, { hits: hits + urls.length, misses })
  await other.inject({
    method: 'PUT',
    url: `/authors/${id}`,
    headers,
    payload: { ...AUTHOR, note: 'changed' }
  })
  t.equal(await queriesFor(`/authors/${unchanged}`), counted.ofALook, 'asks what has changed alone')
  t.equal(await queriesFor('/authors?limit=1'), 0, 'a page that does not show the author')
  for (const url of [`/authors/${id}`, '/authors?owner=me']) t.ok((await queriesFor(url)) > 0, url)
  t.equal((await server.inject({ url: `/authors/${slug}`, headers })).json().note, 'changed')
})

test('a missing answer is made once for all who wait, but not for those who come after a change', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  let reads = 0
  const { promise: held, resolve } = Promise.withResolvers<void>()
  const read = (text: string) => async () => {
    reads += 1
    await held
    return { body: Buffer.from(text), link: undefined, span: undefined }
  }
  // The first look finds out how far the logs have come.
  await server.inject({ url: '/authors', headers })
  const first = [1, 2, 3].map(() => server.responseCache.page('page', read('before')))
  await create(server, headers)
  await catchUp(server)
  const later = [1, 2].map(() => server.responseCache.page('page', read('after')))
  await server.inject({ url: '/authors', headers })
  resolve()
  const texts = async (answers: typeof first) => (await Promise.all(answers)).map(({ body }) => String(body))
  t.strictSame(await texts(first), ['before', 'before', 'before'])
  t.strictSame(await texts(later), ['after', 'after'])
  t.equal(reads, 2)
  const failing = () => server.responseCache.page('failing', () => Promise.reject(new Error('no page')))
  await t.rejects(Promise.all([failing(), failing()]), { message: 'no page' })
  t.equal(String((await server.responseCache.page('failing', read('again'))).body), 'again')
})

test('a login and a write of others leave what is known of a session as it is', async (t) => {
  const counted = countQueries(t)
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await server.inject({ url: '/me', headers })
  const other = await signIn(server, 'anita')
  await create(server, other.headers)
  await server.inject({ url: '/authors/nobody', headers })
  const before = counted.queries
  await server.inject({ url: '/authors/nobody', headers })
  t.equal(counted.queries - before, 1, 'the author alone')
  await create(server, other.headers, { book: 'Clear Light of Day' })
  const beforeChanges = counted.queries
  await server.inject({ url: '/authors/nobody', headers })
  t.equal(counted.queries - beforeChanges, 1 + counted.ofALook, 'the author, and what has changed')
})

test('a slug leads to the author that has it now', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const get = async (name: string) => (await server.inject({ url: `/authors/${name}`, headers })).json()
  const first = await create(server, headers)
  await get(first.slug)
  await server.inject({ method: 'DELETE', url: `/authors/${first.id}`, headers })
  const second = await create(server, headers, { book: 'Shame' })
  t.equal(second.slug, first.slug)
  await server.inject({ method: 'POST', url: `/authors/${first.id}/restore`, headers })
  t.equal((await get(first.id)).slug, `${first.slug}-2`)
  t.equal((await get(first.slug)).id, second.id)
  t.equal((await get(`${first.slug}-2`)).id, first.id)
})

test('what is cached is bounded, its names included', async (t) => {
  const { responseCache } = await buildApp(t)
  const reads = { pages: 0, authors: 0 }
  const page = (name: string, bytes: number) =>
    responseCache.page(name, async () => {
      reads.pages += 1
      return { body: Buffer.alloc(bytes), link: undefined, span: undefined }
    })
  const author = (id: string) =>
    responseCache.author(id, async () => {
      reads.authors += 1
      return { id, slug: `slug-${id}`, etag: '"x.1"', body: 'x'.repeat(MIB) }
    })
  for (let i = 0; i < 40; i++) await page(`large ${i}`, MIB)
  for (let i = 0; i < 60; i++) await author(`${i}`)
  t.strictSame(reads, { pages: 40, authors: 60 })
  await Promise.all([page('large 39', MIB), author('59'), author('slug-59')])
  t.strictSame(reads, { pages: 40, authors: 60 }, 'the last are kept')
  await Promise.all([page('large 0', MIB), author('0')])
  t.strictSame(reads, { pages: 41, authors: 61 }, 'the first are not')

  const longName = (i: number) => `${i} ${'x'.repeat(MIB)}`
  for (let i = 0; i < 40; i++) await page(longName(i), 1)
  await page(longName(39), 1)
  t.equal(reads.pages, 81)
  await page(longName(0), 1)
  t.equal(reads.pages, 82, 'names take room too')
})

test('what was read while something changed is not cached', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const answer = (text: string) => ({ body: Buffer.from(text), link: undefined, span: undefined })
  for (const [index, asksMeanwhile] of [true, false].entries()) {
    const name = `page ${index}`
    const before = await server.responseCache.page(name, async () => {
      await create(server, headers, { book: name })
      if (asksMeanwhile) await server.inject({ url: '/authors', headers })
      return answer('before')
    })
    t.equal(String(before.body), 'before')
    await catchUp(server)
    const after = await server.responseCache.page(name, async () => answer('after'))
    t.equal(
      String(after.body),
      'after',
      asksMeanwhile ? 'and another request has seen it' : 'and nobody asked'
    )
  }
})

test('more changes at once than are looked through one by one are seen all the same', async (t) => {
  const [server, other] = await buildTwo(t)
  const { headers } = await signIn(server)
  const { id } = await create(server, headers)
  const read = () => server.inject({ url: `/authors/${id}`, headers })
  const readTotal = async () =>
    (await server.inject({ url: '/authors?count=true&limit=1', headers })).json().total
  let [note, total] = [0, 1]
  for (const changes of [1999, 1999, 1999, 2000, 2001]) {
    await Promise.all([read(), readTotal()])
    const rows = Array.from({ length: changes - 1 }, (_, i) => ({ ...AUTHOR, book: `Book ${note} ${i}` }))
    const imported = await other.inject({
      method: 'POST',
      url: '/authors/import',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      payload: rows.map((row) => JSON.stringify(row)).join('\n')
    })
    t.equal(imported.statusCode, 200)
    note += 1
    total += rows.length
    const payload = { ...AUTHOR, note: `note ${note}` }
    await other.inject({ method: 'PUT', url: `/authors/${id}`, headers, payload })
    t.equal((await read()).json().note, `note ${note}`, `${changes} changes`)
    t.equal(await readTotal(), total)
    t.equal((await read()).json().version, note + 1, 'the second time too')
  }
})

test('a page is cached for each user where it tells of their own', async (t) => {
  const server = await buildApp(t)
  const [salman, anita] = [await signIn(server, 'salman'), await signIn(server, 'anita')]
  await create(server, salman.headers)
  const count = async (headers: Headers) =>
    (await server.inject({ url: '/authors?owner=me', headers })).json().data.length
  for (let i = 0; i < 2; i++) {
    t.equal(await count(salman.headers), 1)
    t.equal(await count(anita.headers), 0)
  }
})

test('a session that has ended reads nothing, of whichever instance, however it ended', async (t) => {
  const [server, other] = await buildTwo(t)
  const { headers } = await signIn(server)
  const { id } = await create(server, headers)
  const logIn = async (password: string): Promise<Headers> => {
    const answer = await server.inject({
      method: 'POST',
      url: '/login',
      headers: { authorization: basic('salman', password) }
    })
    return { authorization: `Bearer ${answer.json().access_token}` }
  }
  const readBoth = async (with_: Headers) => {
    const answers = [server, other].flatMap((one) =>
      [`/authors/${id}`, '/authors', '/authors?owner=me'].map((url) => one.inject({ url, headers: with_ }))
    )
    return [...new Set((await Promise.all(answers)).map(({ statusCode }) => statusCode))]
  }
  const second = await logIn(PASSWORD)
  t.strictSame([await readBoth(headers), await readBoth(second)], [[200], [200]])
  const payload = { current_password: PASSWORD, new_password: 'the ground beneath her feet' }
  const changed = await other.inject({ method: 'PUT', url: '/me/password', headers, payload })
  t.equal(changed.statusCode, 204, changed.body)
  t.strictSame([await readBoth(headers), await readBoth(second)], [[200], [401]], 'a password change')
  await server.inject({ method: 'POST', url: '/logout', headers })
  t.strictSame(await readBoth(headers), [401], 'a logout')
})
