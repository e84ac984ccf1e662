/** What is inside, users and authors are known by numbers; outside, by ids. */
import { hash } from 'node:crypto'
import { type Kysely, sql } from 'kysely'
import type { Test } from 'tap'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import type { Tables } from '../../db/tables.ts'
import { isUuid } from '../../db/text.ts'
import { unsoundnessOf } from '../../scripts/crash/soundness.ts'
import { engineOf, newDatabase, test } from '../engines.ts'
import { AUTHOR, buildApp, signIn, startServer } from '../helpers.ts'
import { type Answer, walk } from '../openapi-walk.ts'

/** Digits that nothing else has. */
const FIRST_USER = 8_808_800
const FIRST_CHANGE = 7_707_700
const A_NUMBER = /\b(88088|77077)\d{2}\b/
const ORDERS = ['created_at', 'name', 'updated_at', 'birth_year'].flatMap((by) => [by, `-${by}`])

/** From here on all numbers are such. Authors are numbered after the changes that create them. */
async function makeNumbersTell(db: Kysely<Tables>, t: Test): Promise<void> {
  const at = FIRST_USER + 1
  await (engineOf(t) === 'postgres'
    ? sql`alter table users alter column number restart with ${sql.lit(at)}`
    : sql`insert into sqlite_sequence (name, seq) values ('users', ${FIRST_USER})`
  ).execute(db)
  await sql`insert into changes (sequence, author_number, version, at, operation, before)
    values (${FIRST_CHANGE}, 0, 1, '', 'deleted', '{"id":"00000000-0000-7000-8000-000000000000","slug":""}')`.execute(
    db
  )
}

/** Where changes are numbered, and nothing else is. */
function withoutSequences(text: string): string {
  return text
    .replace(/"sequence":\d+/g, '"sequence":0')
    .replace(/\bsince=\d+/g, 'since=0')
    .replace(/^id: \d+$/gm, 'id: 0')
}

function cursorsIn(text: string): unknown[] {
  return [...text.matchAll(/\bcursor=([\w-]{9,})/g)].map(([, cursor = '']) =>
    JSON.parse(Buffer.from(cursor, 'base64url').subarray(6).toString())
  )
}

/** The names of all fields, however deep. */
function fieldsOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.values(value).flatMap(fieldsOf)
  return Array.isArray(value) ? inner : [...Object.keys(value), ...inner]
}

const allOf = ({ headers, text }: Answer) => `${JSON.stringify(headers)}\n${text}`

test('no answer to any operation has a number of a user or an author', async (t) => {
  const answers = await walk(t, (db) => makeNumbersTell(db, t))
  t.ok(
    answers.some(({ text }) => text.includes(`"sequence":${FIRST_CHANGE + 1}`)),
    'numbers are such'
  )
  let cursors = 0
  for (const answer of answers) {
    const what = `${answer.method} ${answer.path} ${answer.status}`
    t.notMatch(withoutSequences(allOf(answer)), A_NUMBER, what)
    for (const cursor of cursorsIn(allOf(answer))) {
      cursors += 1
      t.notMatch(JSON.stringify(cursor), A_NUMBER, what)
    }
    const fields =
      answer.path === '/openapi.json' ? [] : [...fieldsOf(answer.json), ...Object.keys(answer.headers)]
    t.strictSame(
      fields.filter((field) => /number/i.test(field)),
      [],
      what
    )
  }
  t.ok(cursors > 3, `${cursors} cursors`)
})

/** Seven authors, of whom several share what they are ordered by, and who look at them. */
async function openFilled(t: Test) {
  const server = await buildApp(t)
  const { id: userId, headers } = await signIn(server)
  const get = async (url: string) => (await server.inject({ url, headers })).json()
  const send = async (method: 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) => {
    const type = { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }
    const { statusCode } = await server.inject({
      method,
      url,
      headers: { ...headers, ...(payload && type) },
      ...(payload && { payload: JSON.stringify(payload) })
    })
    if (statusCode >= 300) throw new Error(`${method} ${url}: ${statusCode}`)
  }
  /** In place of those from before. */
  async function refill(): Promise<void> {
    for (const { id } of (await get('/authors')).data) await send('DELETE', `/authors/${id}`)
    for (let i = 0; i < 7; i++) {
      const name = ['Ana', 'Béla', 'Chloë'][i % 3] as string
      const birth_year = i % 2 === 0 ? null : 1900
      const content: AuthorContent = { ...AUTHOR, name, book: `Book ${i}`, birth_year }
      await send('POST', '/authors', content)
    }
  }
  await refill()
  return { get, send, refill, userId, headers, server }
}

async function walkFrom(get: (url: string) => Promise<Page>, url: string | null): Promise<string[]> {
  const ids: string[] = []
  for (let next = url; next !== null; ) {
    const page: Page = await get(next)
    ids.push(...page.data.map(({ id }) => id))
    next = page.next
  }
  return ids
}

interface Page {
  data: AuthorRecord[]
  next: string | null
}

/** With each other search that is answered in a way of its own. */
const SEARCHES = ['', 'q=book&', 'owner=me&', 'country=India&booker_prize=true&', 'birth_year.lte=2000&']
const LISTS = ORDERS.flatMap((sort) => SEARCHES.map((search) => `/authors?${search}sort=${sort}`))

test('a cursor holds what its list is sorted by, and an id', async (t) => {
  const { get, server, headers } = await openFilled(t)
  for (const url of LISTS) {
    for (let page = await get(`${url}&limit=2`); page.next !== null; page = await get(page.next)) {
      const [cursor] = cursorsIn(page.next) as [(string | number)[]]
      const { id, name, updated_at, birth_year } = page.data.at(-1)
      const keys = {
        name: name.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase(),
        updated_at,
        birth_year: birth_year ?? 9999
      }
      const by = /sort=-?(\w+)/.exec(url)?.[1] as keyof typeof keys | 'created_at'
      t.strictSame(cursor, by === 'created_at' ? [id] : [keys[by], id], url)
    }
  }
  for (const url of ['/me/sessions', '/me/keys', '/users']) {
    for (const name of ['k', 'l']) {
      await server.inject({ method: 'POST', url: '/me/keys', headers, payload: { name, scope: 'read' } })
    }
    await signIn(server, `another${url.replaceAll('/', '-')}`)
    const { next } = await get(`${url}?limit=1`)
    for (const [id, ...others] of next === null ? [] : (cursorsIn(next) as string[][])) {
      t.ok(isUuid(id as string) && others.length === 0, url)
    }
  }
})

test('after an author that is deleted or changed a list goes on where it was, in every order', async (t) => {
  const { get, send, refill } = await openFilled(t)
  for (const url of LISTS) {
    await refill()
    const all = await walkFrom(get, `${url}&limit=100`)
    const { data, next } = await get(`${url}&limit=3`)
    const [first, second, last] = data.map(({ id }: AuthorRecord) => `/authors/${id}`)
    await send('DELETE', last)
    await send('DELETE', first)
    await send('PATCH', second, { country: 'India', note: 'changed' })
    const others = new URL(next, 'http://x').searchParams
    const isAfter = all.slice(3)
    // What was changed comes last, or came first.
    const moved = others.get('sort') === 'updated_at' ? [data[1].id] : []
    t.strictSame(await walkFrom(get, next), [...isAfter, ...moved], url)
    await send('POST', `${last}/restore`)
    const again = others.get('sort') === 'updated_at' ? [...moved, data[2].id] : []
    t.strictSame(await walkFrom(get, next), [...isAfter, ...again], `${url}, restored`)
  }
})

/** Behind a checksum as the service makes it. */
function madeUp(url: string, position: unknown[]): string {
  const { pathname, searchParams } = new URL(url, 'http://x')
  const parameters = [...searchParams].sort(([one], [other]) =>
    (one as string) < (other as string) ? -1 : 1
  )
  const text = JSON.stringify(position)
  const checksum = hash('sha256', JSON.stringify([pathname, parameters, text]), 'buffer').subarray(0, 6)
  return `${url}&cursor=${Buffer.concat([checksum, Buffer.from(text)]).toString('base64url')}`
}

test('a cursor that is made up with an id of no author is refused, whatever else is right', async (t) => {
  const { get, userId } = await openFilled(t)
  const [author] = (await get('/authors?limit=1')).data
  for (const url of LISTS) {
    const key = { name: 'ana', updated_at: author.updated_at, birth_year: 1900, created_at: undefined }[
      /sort=-?(\w+)/.exec(url)?.[1] as string
    ]
    const before = key === undefined ? [] : [key]
    t.ok((await get(madeUp(url, [...before, author.id]))).data, url)
    const { next } = await get(`${url}&limit=2`)
    t.equal(next.replace('&limit=2', ''), madeUp(...urlAndPosition(next)), 'as the service makes it')
    const unknown = [crypto.randomUUID(), userId, author.slug, author.id.toUpperCase(), '', '1', '2']
    for (const id of unknown) {
      t.match(
        await get(madeUp(url, [...before, id])),
        { status: 400, code: 'INVALID_CURSOR' },
        `${url} ${id}`
      )
    }
    t.match(await get(madeUp(url, [...before, 2])), { status: 400, code: 'INVALID_CURSOR' })
  }
})

/** What the address of a next page was made of. */
function urlAndPosition(next: string): [string, unknown[]] {
  const [position] = cursorsIn(next) as [unknown[]]
  return [next.replace(/&limit=.*/, ''), position]
}

const WRITES = 60
const ROWS = 600

test('ids and numbers have one order, though several processes write at once', async (t) => {
  const DATABASE_URL = await newDatabase(t)
  const server = await buildApp(t, { DATABASE_URL })
  const { headers } = await signIn(server)
  const processes = [1, 2].map(() => startServer(t, { DATABASE_URL, RATE_LIMIT: 'off', LOG_LEVEL: 'error' }))
  const post = async (url: string, type: string, body: string) => {
    const answer = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': type }, body })
    await answer.arrayBuffer()
    t.ok(answer.ok, `${url}: ${answer.status}`)
  }
  const contentOf = (book: string) => JSON.stringify({ ...AUTHOR, book })
  const write = async (url: string, name: string) => {
    for (let i = 0; i < WRITES; i++)
      await post(`${url}/authors`, 'application/json', contentOf(`${name} ${i}`))
  }
  const importAll = (url: string, mode: string) => {
    const rows = Array.from({ length: ROWS }, (_, i) => contentOf(`${mode} ${i}`)).join('\n')
    return post(`${url}/authors/import?mode=${mode}`, 'application/x-ndjson', rows)
  }
  const [one, other] = (await Promise.all(processes)).map(({ url }) => url) as [string, string]
  await Promise.all([
    ...[one, one, other, other].map((url, index) => write(url, `Book ${index}`)),
    importAll(one, 'all'),
    importAll(other, 'partial')
  ])
  const rows = await server.db.selectFrom('authors').select('id').orderBy('number').execute()
  const ids = rows.map(({ id }) => id)
  t.equal(ids.length, 4 * WRITES + 2 * ROWS)
  t.strictSame(ids, [...new Set(ids)].sort())
  t.strictSame(await unsoundnessOf(DATABASE_URL), [])
})
