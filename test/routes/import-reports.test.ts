/** What an import tells of the rows that it refuses, and of columns that have other names. */
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AuthorContent } from '../../db/authors/table.ts'
import { createAuthor } from '../../db/commands/authors.ts'
import { applyImport } from '../../db/commands/imports.ts'
import { checkedRows } from '../../plugins/transfers/checked-rows.ts'
import { runImport } from '../../plugins/transfers/import-job.ts'
import { refusedWriter } from '../../plugins/transfers/refused-file.ts'
import { RefusedRows, reasonOf } from '../../plugins/transfers/refused-rows.ts'
import { withStagedFile } from '../../plugins/transfers/staged-files.ts'
import type { RefusedRow } from '../../schemas/transfers.ts'
import { test } from '../engines.ts'
import { buildApp, directly, listen, signIn, temporaryFolder } from '../helpers.ts'

const CSV = 'text/csv'
const NDJSON = 'application/x-ndjson'
const EVENTS = 'text/event-stream'

async function library(t: Test) {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server, 'astrid')
  const post = (payload: string, query = '', own: Record<string, string> = {}) =>
    server.inject({
      method: 'POST',
      url: `/authors/import${query}`,
      headers: { ...headers, 'content-type': CSV, ...own },
      payload
    })
  const create = (author: object) =>
    server.inject({ method: 'POST', url: '/authors', headers, payload: author })
  const names = async () =>
    (await server.db.selectFrom('authors').select('record').orderBy('number').execute()).map(
      ({ record }) => JSON.parse(record).name
    )
  return { server, id, headers, post, create, names }
}

/** The events of an answer, each with its data. */
function eventsOf(body: string): [string, unknown][] {
  return [...body.matchAll(/event: (\w+)\ndata: (.*)\n\n/g)].map(([, event = '', data = '']) => [
    event,
    JSON.parse(data)
  ])
}

function refusedIn(body: string): RefusedRow[] {
  return eventsOf(body).flatMap(([event, data]) => (event === 'refused' ? (data as RefusedRow[]) : []))
}

test('reasons are counted, however late they come and however few errors are listed', async (t) => {
  const { post } = await library(t)
  const short = Array.from({ length: 120 }, (_, n) => `Short ${n}\n`)
  const bad = Array.from({ length: 400 }, (_, n) => `Author ${n},Book ${n},Chile,MCM${n}\n`)
  const wide = Array.from({ length: 7 }, (_, n) => `Wide ${n},Book,Chile,1900${',x'.repeat(n + 1)}\n`)
  const csv = [
    'name,book,country,birth_year\n',
    ...short,
    ...wide,
    ...bad,
    'Isabel Allende,Eva Luna,Chile,1942\n'
  ]
  for (const query of ['', '?dry_run=true', '?mode=partial']) {
    const { refused, reasons, errors } = (await post(csv.join(''), query)).json()
    t.equal(refused, 527)
    t.match(reasons, [
      {
        pointer: '/birth_year',
        reason: /is no year alone/,
        count: 400,
        example: { line: 129, pointer: '/birth_year' }
      },
      {
        pointer: '',
        reason: 'has … cells, but the header has …',
        count: 127,
        example: { line: 2, pointer: '', detail: 'has 1 cells, but the header has 4' }
      }
    ])
    t.equal(reasons.length, 2)
    t.strictSame(
      errors.map(({ line }: RefusedRow) => line),
      Array.from({ length: 100 }, (_, n) => n + 2)
    )
  }
})

test('a reason has nothing of a single row', async (t) => {
  const cases: [string, string][] = [
    ['has 12 cells, but the header has 7', 'has … cells, but the header has …'],
    ['must be after birth_year, which is -43', 'must be after birth_year, which is …'],
    ['names "ti\\"tle" twice', 'names "…" twice'],
    ['is that of /authors/ovid-2, which is older', 'is that of /authors/…, which is older'],
    ['has U+200B, which cannot be seen', 'has U+…, which cannot be seen'],
    ['must NOT have more than 300 characters', 'must NOT have more than 300 characters'],
    [
      'must be >= -5000; expected: A year, -5000 to 9999.',
      'must be >= -5000; expected: A year, -5000 to 9999.'
    ],
    ['has the number 1e999', 'has the number 1e999'],
    ['is required', 'is required']
  ]
  for (const [detail, reason] of cases) t.equal(reasonOf(detail), reason)
})

test('of very many reasons the frequent ones are told, and all rows are counted', async (t) => {
  const rows = new RefusedRows()
  for (let line = 1; line <= 5000; line++) {
    rows.add(line, [{ pointer: `/odd${line}`, detail: 'is not a known field' }])
    if (line % 10 === 0) rows.add(line, [{ pointer: '/name', detail: 'is required' }])
  }
  const reasons = rows.reasons()
  t.match(reasons[0], { pointer: '/name', reason: 'is required', count: 500, example: { line: 10 } })
  t.equal(reasons.length, 50)
  t.match(reasons.at(-1), {
    reason: 'other reasons',
    pointer: '',
    example: { detail: 'is not a known field' }
  })
  t.equal(
    reasons.reduce((sum, { count }) => sum + count, 0),
    5500
  )
  t.equal(rows.count, 5500)
})

t.test('refused rows are kept in lines of 200, until they are too many bytes', async (t) => {
  const file = path.join(temporaryFolder(t), 'refused')
  const fd = openSync(file, 'w')
  const write = refusedWriter({ fd, mostBytes: 20_000 })
  const rows = Array.from({ length: 450 }, (_, index) => ({
    line: index,
    pointer: '/name',
    detail: 'is wrong'
  }))
  await write(rows)
  await write(rows)
  closeSync(fd)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  t.strictSame(
    lines.map((line) => JSON.parse(line)),
    [rows.slice(0, 200), rows.slice(200, 400)]
  )
})

test('all refused rows are told in events, in their order, to who asks for them', async (t) => {
  const { server, post, names } = await library(t)
  const folder = path.dirname(server.databaseFiles)
  const before = readdirSync(folder).sort()
  await post('name,book,country,viaf\nKeri Hulme,The Bone People,New Zealand,77\n')
  const rows = Array.from({ length: 3000 }, (_, n) => {
    if (n % 3 === 0) return ',No Name,Chad\n'
    return n % 3 === 1 ? `Author ${n},Book ${n},Chad\n` : 'Keri Hulme,The Bone People,Chad\n'
  })
  const csv = `name,book,country\n${rows.join('')}`
  const accept = { accept: EVENTS }
  for (const query of ['?refused=true', '?refused=true&dry_run=true', '?refused=true&mode=partial']) {
    const { body } = await post(csv, query, accept)
    const refused = refusedIn(body)
    t.strictSame(
      refused.map(({ line }) => line),
      rows.flatMap((row, n) => (row.startsWith('Author') ? [] : [n + 2])),
      query
    )
    t.match(refused.slice(0, 2), [
      { line: 2, pointer: '/name', detail: 'is required' },
      { line: 4, pointer: '/country', detail: /^is another than that of the author at \/authors\/keri-hulme/ }
    ])
    const [last, result] = eventsOf(body).at(-1) as [string, { refused: number; reasons: object[] }]
    t.equal(last, query === '?refused=true' ? 'problem' : 'result')
    t.match(result, { refused: 2000, reasons: [{ count: 1000 }, { count: 1000 }] })
  }
  t.equal((await names()).length, 1001)
  t.strictSame(refusedIn((await post(csv, '?mode=partial', accept)).body), [], 'unasked, none')
  t.match((await post(csv, '?refused=true')).json(), {
    code: 'VALIDATION_FAILED',
    errors: [{ pointer: '/refused', detail: 'is for "Accept: text/event-stream"' }]
  })
  t.strictSame(readdirSync(folder).sort(), before, 'and nothing is left beside the database')
})

test('what is told of refused rows is bounded, and their number is not', async (t) => {
  const { server, post } = await library(t)
  server.config.IMPORT_LIMIT = 0.5
  const { body } = await post(`name,book,country\n${',b,c\n'.repeat(40_000)}`, '?refused=true&mode=partial', {
    accept: EVENTS
  })
  const told = refusedIn(body).length
  t.ok(told > 5000 && told < 40_000, String(told))
  t.match(eventsOf(body).at(-1), ['result', { refused: 40_000 }])
})

test('a client that goes away while it is told ends nothing but itself', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server, 'astrid')
  const leave = new AbortController()
  const answer = await fetch(`${url}/authors/import?refused=true&mode=partial`, {
    method: 'POST',
    headers: { ...headers, 'content-type': CSV, accept: EVENTS },
    body: `name,book,country\n${',b,c\n'.repeat(50_000)}`,
    signal: leave.signal
  })
  const reader = answer.body?.getReader()
  for (let text = ''; !text.includes('event: refused'); )
    text += Buffer.from((await reader?.read())?.value ?? [])
  leave.abort()
  await reader?.closed.catch(() => {})
  const next = await fetch(`${url}/authors/import`, {
    method: 'POST',
    headers: { ...headers, 'content-type': CSV },
    body: 'name,book,country\nAma Ata Aidoo,Changes,Ghana\n'
  })
  t.match(await next.json(), { created: 1 })
})

const WRITTEN_DIFFERENTLY: [Partial<AuthorContent>, string, RegExp][] = [
  [
    { name: 'SIGRID UNDSET' },
    '/name',
    /^is written differently there: "Sigrid Undset" at \/authors\/sigrid-undset; write/
  ],
  [{ name: 'Sígrid  Undset', book: 'jenny' }, '/name', /^is written differently there/],
  [{ book: 'JENNY' }, '/book', /^is written differently there: "Jenny"/],
  [{ country: 'norway ' }, '/country', /^is written differently there: "Norway"/],
  [{ note: 'Nobel-Prize (1928)' }, '/note', /^is written differently there: "nobel prize 1928\."/],
  [{ country: 'Denmark', name: 'sigrid undset' }, '/country', /^is another than that of the author at/],
  [{ birth_year: 1883 }, '/birth_year', /^is another than/],
  [{ note: '?!' }, '/note', /^is another than/]
]

test('a row that is only written differently is told so, and one that differs as before', async (t) => {
  const { post, create } = await library(t)
  const author = {
    name: 'Sigrid Undset',
    book: 'Jenny',
    country: 'Norway',
    birth_year: 1882,
    note: 'nobel prize 1928.'
  }
  await create(author)
  for (const [changes, pointer, detail] of WRITTEN_DIFFERENTLY) {
    const row = JSON.stringify({ ...author, ...changes })
    for (const query of ['', '?mode=partial']) {
      const { refused, errors, reasons } = (await post(row, query, { 'content-type': NDJSON })).json()
      t.match({ refused, errors }, { refused: 1, errors: [{ line: 1, pointer, detail }] })
      t.notMatch(reasons[0].reason, /undset|1928|norway/i)
    }
  }
})

test('what others have made impossible meanwhile is told as all else', async (t) => {
  const { server, id } = await library(t)
  const session = await directly(t, server).selectFrom('sessions').select('id').executeTakeFirstOrThrow()
  const user = { id, role: 'editor', sessionId: session.id } as const
  const row = (n: number) => ({ name: `Author ${n}`, book: 'Book', country: 'Togo' })
  const file = [5, 3, 9, 3].map((n) => `${JSON.stringify(row(n))}\n`).join('')
  async function interfere(service: FastifyInstance) {
    for (const n of [9, 3])
      await service.run(user, createAuthor, { content: { ...row(n), country: 'Benin' } })
  }
  const database = server.config.DATABASE_URL
  const told: RefusedRow[] = []
  const summary = await withStagedFile(server.databaseFiles, (staged) =>
    runImport(
      {
        files: { database, staged },
        async run(command, input) {
          if (command.name === applyImport.name) await interfere(server)
          return server.run(user, command, input)
        },
        onProgress: () => {},
        onRefused: async (errors) => void told.push(...errors)
      },
      checkedRows(Readable.from([Buffer.from(file)]), { mediaType: NDJSON }),
      { mediaType: NDJSON, mode: 'all', dryRun: false, ownerId: id }
    )
  )
  t.match(summary, {
    ...{ created: 0, refused: 3 },
    errors: [{ line: 2 }, { line: 3 }, { line: 4 }],
    reasons: [{ pointer: '/country', count: 3, example: { line: 2 } }]
  })
  t.strictSame(told, summary.errors)
})

test('columns of other names are mapped, or left out by name', async (t) => {
  const { post, server, headers } = await library(t)
  const csv =
    'AUTHOR, Título ,Land,"Signatur, alt",Regal=Fach,,note\nUwe Johnson,Jahrestage,Poland,x,y,z,left\n'
  const map = 'author=name,título=book,LAND = country,Signatur, alt=,regal=fach=,=,note='
  const query = `?map=${encodeURIComponent(map)}`
  t.match((await post(csv, query)).json(), { created: 1, refused: 0 })
  t.match((await server.inject({ url: '/authors/uwe-johnson', headers })).json(), {
    ...{ name: 'Uwe Johnson', book: 'Jahrestage', country: 'Poland', note: null }
  })
  const swapped = 'book,name,country\nHerta Müller,Atemschaukel,Romania\n'
  t.match((await post(swapped, '?map=book=name,name=book')).json(), { created: 1 })
  t.equal((await server.inject({ url: '/authors/herta-muller', headers })).json().book, 'Atemschaukel')
})

test('no column is left out in silence', async (t) => {
  const { post } = await library(t)
  const cases: [string, string, RegExp][] = [
    [
      'Autor,Titel,country',
      '',
      /^has unknown columns \(Autor, Titel\) and lacks the column name.*; known are name, .*; "map" .*tells .*: Autor=name,Titel=/
    ],
    ['name,book,country,Shelf', '', /^has unknown columns \(Shelf\); known are .*: Shelf=$/],
    ['name,book,country', 'autor=name', /^has no columns autor, which "map" names; known/],
    ['name,book,country,autor', 'autor=name', /^has columns twice \(name\)/],
    ['name,book,country', 'name=', /^lacks the column name/]
  ]
  for (const [header, map, detail] of cases) {
    const answer = await post(`${header}\na,b,c,d\n`, map && `?map=${encodeURIComponent(map)}`)
    t.match(
      answer.json(),
      { code: 'IMPORT_REFUSED', refused: 1, errors: [{ line: 1, pointer: '', detail }] },
      header
    )
  }
})

test('a map that cannot be followed is refused before anything is read', async (t) => {
  const { post } = await library(t)
  const cases: [string, RegExp, string?][] = [
    ['autor', /^has no "=" after "autor"; it is written like Autor=name/],
    ['autor=name,titel', /^has no "=" after "titel"/],
    ['autor=writer', /^takes "autor" for "writer", which is no column; known are name, book/],
    ['a=name,A=book', /^names "a" twice/],
    ['autor=name', /^is for CSV: NDJSON has no columns/, NDJSON]
  ]
  for (const [map, detail, type = CSV] of cases) {
    for (const accept of ['application/json', EVENTS]) {
      const answer = await post('x', `?map=${encodeURIComponent(map)}`, { 'content-type': type, accept })
      t.match(answer.json(), { code: 'VALIDATION_FAILED', errors: [{ pointer: '/map', detail }] }, map)
    }
  }
  t.match(
    (await post('name,book,country\n', '?map=')).json(),
    { created: 0, refused: 0 },
    'an empty one maps nothing'
  )
})

test('an export for spreadsheets begins with a byte order mark, and comes back unchanged', async (t) => {
  const { server, headers, post, create } = await library(t)
  await create({ name: 'Šarūnas Čiurlionis', book: 'Žiema', country: 'Lietuva' })
  const get = (url: string, accept: string, method: 'GET' | 'HEAD' = 'GET') =>
    server.inject({ method, url, headers: { ...headers, accept } })
  const [plain, marked] = [await get('/authors/export', CSV), await get('/authors/export?bom=true', CSV)]
  t.strictSame(marked.rawPayload, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), plain.rawPayload]))
  t.equal((await get('/authors/export?bom=false', CSV)).body, plain.body)
  t.match((await post(marked.body)).json(), { created: 0, unchanged: 1, refused: 0 })
  t.equal((await get('/authors/export?bom=true', CSV, 'HEAD')).statusCode, 200)
  t.equal((await get('/authors/export?bom=false', NDJSON)).statusCode, 200)
  for (const method of ['GET', 'HEAD'] as const) {
    t.equal((await get('/authors/export?bom=true', NDJSON, method)).statusCode, 400)
  }
  t.match((await get('/authors/export?bom=true', NDJSON)).json(), {
    code: 'VALIDATION_FAILED',
    errors: [{ pointer: '/bom', detail: /^is for CSV: .*, so leave it out$/ }]
  })
})
