import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { Readable } from 'node:stream'
import { parse } from 'csv-parse/sync'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { createAuthor } from '../../db/commands/authors.ts'
import { databaseFile } from '../../db/dialect.ts'
import { numberOfUser } from '../../db/user-numbers.ts'
import { checkedRows } from '../../plugins/transfers/checked-rows.ts'
import { type ImportJob, runImport } from '../../plugins/transfers/import-job.ts'
import { withStagedFile } from '../../plugins/transfers/staged-files.ts'
import { CSV_TYPES, NDJSON_TYPES } from '../../schemas/transfers.ts'
import { engineOf, test } from '../engines.ts'
import { AUTHOR, buildApp, directly, listen, ROOT, signIn } from '../helpers.ts'

type Headers = Record<string, string>

const CSV = 'text/csv'
const NDJSON = 'application/x-ndjson'
const HEADER =
  'name,book,country,booker_prize,birth_year,death_year,viaf,isni,wikidata,openlibrary,sort_name,note'

const ODD_TEXTS = [
  'plain',
  'Comma, Inc.',
  'a "quoted" word',
  'two\nlines',
  'two\r\nlines',
  'lone\rreturn',
  '=1+1',
  '+49 30',
  '-minus',
  '@cmd',
  '\ttab',
  "'apostrophe",
  "'=both",
  "''=twice",
  '＝wide',
  '  blanks  ',
  'مرحبا بالعالم',
  '\u202Eright to left',
  '🇮🇪 👩‍👩‍👧 emoji',
  'e\u0301 and é',
  '"',
  ',',
  '=HYPERLINK("http://x",\'y\')'
]

/** Only a note has several. */
const inOneLine = (text: string) => text.replace(/[\t\r\n]+/g, '\u00a0')

const oddAuthors = ODD_TEXTS.map((text, i) => ({
  name: i === 20 || i === 21 ? `name ${text}` : inOneLine(text),
  sort_name: i === 20 || i === 21 || i % 7 === 0 ? null : inOneLine(text),
  book: i % 8 === 0 ? null : `${inOneLine(text)} ${i}`,
  country: i % 9 === 0 ? null : `Land of ${inOneLine(text)}`,
  booker_prize: i % 2 === 0,
  birth_year: i % 3 === 0 ? null : i * 10 - 60,
  death_year: i % 3 === 0 ? null : i * 10 - 20,
  identifiers: {
    viaf: i % 4 === 0 ? String(i + 1) : null,
    isni: null,
    wikidata: i % 5 === 0 ? `Q${i + 1}` : null,
    openlibrary: null
  },
  note: i % 6 === 0 ? '' : i % 6 === 1 ? null : text
}))
const oddNdjson = oddAuthors.map((author) => `${JSON.stringify(author)}\n`).join('')

const post = (
  server: FastifyInstance,
  headers: Headers,
  type: string,
  payload: string | Buffer,
  query = ''
) =>
  server.inject({
    method: 'POST',
    url: `/authors/import${query}`,
    headers: { ...headers, 'content-type': type },
    payload
  })

async function exported(
  server: FastifyInstance,
  headers: Headers,
  accept: string,
  query = ''
): Promise<string> {
  return (await server.inject({ url: `/authors/export${query}`, headers: { ...headers, accept } })).body
}

const count = async (server: FastifyInstance) =>
  (await server.db.selectFrom('authors').select('id').execute()).length

/** An import without its thread. */
async function importHere(
  server: FastifyInstance,
  ownerId: string,
  source: Readable,
  job: Partial<ImportJob>,
  onProgress: (rows: number) => void = () => {}
) {
  const user = { id: ownerId, role: 'editor', sessionId: await sessionOf(server, ownerId) } as const
  const database = server.config.DATABASE_URL
  const whole = { mediaType: NDJSON, mode: 'all', dryRun: false, ...job, ownerId } as const
  return withStagedFile(server.databaseFiles, (staged) =>
    runImport(
      {
        files: { database, staged },
        run: (command, input) => server.run(user, command, input),
        onProgress
      },
      checkedRows(source, whole),
      whole
    )
  )
}

test('what goes in as NDJSON comes out byte for byte, and through CSV the same', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const imported = await post(server, headers, NDJSON, oddNdjson)
  t.strictSame(imported.json(), {
    created: ODD_TEXTS.length,
    unchanged: 0,
    refused: 0,
    dry_run: false,
    reasons: [],
    errors: []
  })
  t.equal(await exported(server, headers, NDJSON), oddNdjson)
  const csv = await exported(server, headers, CSV)
  t.equal((await post(server, headers, CSV, csv)).json().unchanged, ODD_TEXTS.length, 'again, all are there')

  const other = await buildApp(t)
  const { headers: otherHeaders } = await signIn(other)
  t.equal((await post(other, otherHeaders, CSV, csv)).json().created, ODD_TEXTS.length)
  t.equal(await exported(other, otherHeaders, NDJSON), oddNdjson)
  t.equal(await exported(other, otherHeaders, CSV), csv)
})

test('the Booker list comes out as it went in, and its log is not left for the next write to cut', async (t) => {
  const booker = readFileSync(path.join(ROOT, 'data-samples/booker-winners.csv'), 'utf8')
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const { created, errors } = (await post(server, headers, CSV, booker)).json()
  t.strictSame({ created, errors }, { created: booker.trim().split('\n').length - 1, errors: [] })
  // Whatever writes next comes after it.
  await server.checkDatabase()
  if (engineOf(t) === 'sqlite') t.equal(statSync(`${databaseFile(server.config.DATABASE_URL)}-wal`).size, 0)

  const csv = await exported(server, headers, CSV)
  const rows: Record<string, string>[] = parse(csv, { columns: true })
  for (const [index, sent] of (parse(booker, { columns: true }) as object[]).entries())
    t.match(rows[index], sent)
  const ndjson = await exported(server, headers, NDJSON)

  const other = await buildApp(t)
  const { headers: otherHeaders } = await signIn(other)
  await post(other, otherHeaders, NDJSON, ndjson)
  t.equal(await exported(other, otherHeaders, NDJSON), ndjson)
  t.equal(await exported(other, otherHeaders, CSV), csv)
})

test('the CSV is RFC 4180, and no cell of it is a formula', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await post(server, headers, NDJSON, oddNdjson)
  const csv = await exported(server, headers, CSV)
  t.ok(csv.startsWith(`${HEADER}\r\n`) && csv.endsWith('\r\n'))
  const rows: Record<string, string>[] = parse(csv, { columns: true, record_delimiter: '\r\n' })
  t.equal(rows.length, ODD_TEXTS.length)
  for (const [index, row] of rows.entries()) {
    const author = oddAuthors[index] as (typeof oddAuthors)[0]
    const isNumber = (column: string) => /_year$/.test(column)
    for (const [column, cell] of Object.entries(row))
      if (!isNumber(column)) t.notMatch(cell, /^[=+\-@\t\r＝＋－＠]/, column)
    t.equal((row.name as string).replace(/^'(?='*[=+\-@\t\r＝])/, ''), author.name)
    t.equal(
      row.birth_year,
      author.birth_year === null ? '' : String(author.birth_year),
      'numbers stay numbers'
    )
    t.equal(row.booker_prize, String(author.booker_prize))
  }
})

test('an export is named, typed and complete, or is not to be had', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  await post(server, headers, NDJSON, oddNdjson)
  const wanted = { [CSV]: 'authors.csv', [NDJSON]: 'authors.ndjson' }
  for (const [accept, file] of Object.entries(wanted)) {
    const head = await server.inject({
      method: 'HEAD',
      url: '/authors/export',
      headers: { ...headers, accept }
    })
    for (const answer of [
      head,
      await server.inject({ url: '/authors/export', headers: { ...headers, accept } })
    ]) {
      t.match(answer.headers, { 'content-disposition': `attachment; filename="${file}"`, vary: /Accept/ })
      t.match(answer.headers['content-type'], accept)
    }
    t.equal(head.body, '')
  }
  t.match((await server.inject({ url: '/authors/export', headers })).headers['content-type'], CSV)
  const refused = await server.inject({
    url: '/authors/export',
    headers: { ...headers, accept: 'image/png' }
  })
  t.match(refused.json(), {
    code: 'NOT_ACCEPTABLE',
    status: 406,
    detail: /text\/csv or application\/x-ndjson/
  })

  const raw = await rawExport(url, headers)
  t.match(raw, /\r\n0\r\n/, 'the last chunk')
  t.match(raw.toLowerCase(), `\r\nrow-count: ${ODD_TEXTS.length}\r\n`)
  t.match(raw, `repr-digest: sha-256=:${sha256(oddNdjson, 'base64')}:`)
  t.match(raw.toLowerCase(), 'trailer: row-count, repr-digest')
})

test('an export that is asked for a receipt ends with one', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const empty = await exported(server, headers, NDJSON, '?receipt=true')
  t.equal(empty, `{"rows":0,"sha256":"${sha256('')}"}\n`)
  await post(server, headers, NDJSON, oddNdjson)
  for (const [accept, bom] of [
    [NDJSON, ''],
    [CSV, ''],
    [CSV, 'bom=true']
  ] as const) {
    const plain = await exported(server, headers, accept, `?${bom}`)
    const receipt = `{"rows":${ODD_TEXTS.length},"sha256":"${sha256(plain)}"}\n`
    t.equal(await exported(server, headers, accept, `?receipt=true&${bom}`), plain + receipt)
    t.equal(await exported(server, headers, accept, `?receipt=false&${bom}`), plain)
    t.match((await post(server, headers, accept, plain + receipt)).json(), {
      errors: [{ line: (plain + receipt).split(/\r\n|\r|\n/).length - 1 }]
    })
    t.equal(await count(server), ODD_TEXTS.length, 'and a receipt is no author')
  }
  const raw = await rawExport(url, headers, '1.1', '?receipt=true')
  const whole = `${oddNdjson}{"rows":${ODD_TEXTS.length},"sha256":"${sha256(oddNdjson)}"}\n`
  t.match(raw, `repr-digest: sha-256=:${sha256(whole, 'base64')}:`, 'the digest is of all that came')
  for (const [query, pointer] of [
    ['receipt=yes', '/receipt'],
    ['receipts=true', '/receipts']
  ]) {
    const refused = await server.inject({ url: `/authors/export?${query}`, headers })
    t.match(refused.json(), { code: 'VALIDATION_FAILED', errors: [{ pointer }] })
  }
})

test('an export is to be had over HTTP/1.0 too, which knows no trailers', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  await post(server, headers, NDJSON, oddNdjson)
  const [head = '', body] = splitOnce(await rawExport(url, headers, '1.0'), '\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
  t.notMatch(head, /^(trailer|transfer-encoding):/im)
  t.equal(body, oddNdjson)
})

function sha256(content: string, encoding: 'hex' | 'base64' = 'hex'): string {
  return createHash('sha256').update(content).digest(encoding)
}

function splitOnce(text: string, divider: string): string[] {
  const at = text.indexOf(divider)
  return [text.slice(0, at), text.slice(at + divider.length)]
}

/** The bytes of an answer, trailer and all. */
async function rawExport(url: string, headers: Headers, version = '1.1', query = ''): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(
    `GET /authors/export${query} HTTP/${version}\r\nhost: x\r\nconnection: close\r\naccept: ${NDJSON}\r\nauthorization: ${headers.authorization}\r\n\r\n`
  )
  return Buffer.concat(await socket.toArray()).toString()
}

/** A catalogue with notes of very different length, which is more than a client is sent before it reads. */
async function withLongNotes(t: Test) {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const lengths = [...Array(300).fill(10), ...Array(200).fill(4000)]
  const lines = lengths.map((length, n) =>
    JSON.stringify({ name: `Author ${n}`, book: 'Book', country: 'India', note: 'ह'.repeat(length) })
  )
  const payload = lines.join('\n')
  const type = { 'content-type': NDJSON }
  const answer = await server.inject({
    method: 'POST',
    url: '/authors/import',
    headers: { ...headers, ...type },
    payload
  })
  t.match(answer.json(), { created: lengths.length })
  return { server, headers }
}

test('an export comes in pieces of some 64 KiB, however long the authors are', async (t) => {
  const { server } = await withLongNotes(t)
  const sizes: number[] = []
  for await (const { text } of server.transfers.exportAuthors(NDJSON)) sizes.push(text.length)
  t.ok(Math.max(...sizes) <= 65_536, String(sizes))
  t.ok(sizes.length < 40, `${sizes.length} pieces`)
})

test('exports are bounded, for a user and for all', async (t) => {
  const { server } = await withLongNotes(t)
  const begin = (headers: Headers) =>
    server.inject({ url: '/authors/export', headers, payloadAsStream: true })
  const open: Readable[] = []
  const users = await Promise.all(
    Array.from({ length: 11 }, (_, n) => signIn(server, `user${String.fromCharCode(97 + n)}`))
  )
  for (const { headers } of users.slice(0, 10)) {
    const answers = await Promise.all(Array.from({ length: 11 }, () => begin(headers)))
    const refused = answers.filter(({ statusCode }) => statusCode !== 200)
    t.strictSame(
      refused.map(({ statusCode }) => statusCode),
      [429]
    )
    t.match(refused[0]?.headers, { 'retry-after': '60' })
    open.push(...answers.filter((answer) => !refused.includes(answer)).map((answer) => answer.stream()))
  }
  const late = users[10]?.headers as Headers
  t.equal((await begin(late)).statusCode, 503, 'as many as all may have are open')
  for await (const _ of open.shift() as Readable);
  for (const status of [200, 503]) {
    const answer = await begin(late)
    t.equal(answer.statusCode, status, 'one that has ended makes room for one')
    open.push(answer.stream())
  }
  for (const stream of open) stream.destroy()
})

test('refused rows are told by their lines, and by default nothing is imported', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  await server.inject({
    method: 'POST',
    url: '/authors',
    headers,
    payload: { ...AUTHOR, identifiers: { viaf: '1' } }
  })
  const csv = [
    '\uFEFFName, BOOK ,country,birth_year,death_year,booker_prize,viaf, Note',
    'Ovid,Metamorphoses,Italy,-43,17,FALSE,,',
    '',
    'Two lines,Book,Italy,,,,,"Two',
    'lines"',
    ',Nameless,Italy,,,,,',
    'Bad year,Book,Italy,MCM,,perhaps,,',
    'With breaks,Book,Italy,2000,1900,,,"With',
    'a',
    'break"',
    'Short,row',
    "Salman Rushdie,Midnight's Children,India,,,true,1,",
    "salman rushdie,MIDNIGHT'S CHILDREN,India,,,true,1,",
    'Taken,Identifier,Italy,,,,1,',
    'Ovid,Metamorphoses,Rome,-43,17,,,',
    'Last,One,Italy,,,,,'
  ].join('\r\n')
  const expected = {
    unchanged: 1,
    refused: 7,
    errors: [
      { line: 6, pointer: '/name', detail: 'is required' },
      { line: 7, pointer: '/booker_prize', detail: /boolean/ },
      { line: 7, pointer: '/birth_year', detail: /"MCM", which is no year alone/ },
      { line: 8, pointer: '/death_year', detail: /before birth_year, which is 2000/ },
      { line: 11, pointer: '', detail: 'has 2 cells, but the header has 8' },
      {
        line: 13,
        pointer: '/name',
        detail: /^is written differently there: "Salman Rushdie" at \/authors\/salman-rushdie;/
      },
      {
        line: 14,
        pointer: '/identifiers/viaf',
        detail: /^is that of the author in line 12, who has another name: /
      },
      { line: 15, pointer: '/country', detail: /another than.*\/authors\/ovid/ }
    ]
  }
  const answer = await post(server, headers, CSV, csv)
  t.match(answer.json(), { code: 'IMPORT_REFUSED', status: 422, created: 0, unchanged: 1, refused: 7 })
  t.match(answer.json().errors, expected.errors, 'in the order of the lines')
  t.equal(await count(server), 1)

  const tried = await post(server, headers, CSV, csv, '?mode=partial&dry_run=true')
  t.match(tried.json(), { created: 3, unchanged: 1, refused: 7, dry_run: true })
  t.equal(await count(server), 1)
  t.match((await post(server, headers, CSV, csv, '?dry_run=true')).json(), { created: 3, refused: 7 })

  const partial = await post(server, headers, CSV, csv, '?mode=partial')
  t.match(partial.json(), { created: 3, unchanged: 1, refused: 7, dry_run: false })
  t.equal(await count(server), 4)
  t.match((await server.inject({ url: '/authors/ovid', headers })).json(), {
    birth_year: -43,
    booker_prize: false
  })
})

test('rows of one person share identifiers, and the line or the author in the way is named', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const held = { name: 'Ngũgĩ', book: 'Petals of Blood', identifiers: { openlibrary: 'OL99A' } }
  await server.inject({ method: 'POST', url: '/authors', headers, payload: held })
  const books = Array.from({ length: 300 }, (_, i) => `Doris Lessing,Book ${i},4711,`)
  const csv = [
    'name,book,viaf,openlibrary',
    ...books,
    'DORIS LESSING,,4711,',
    'Jane Somers,The Diaries,4711,',
    'Ngugi,,,OL99A',
    'James Ngugi,Weep Not,,OL99A',
    'Jane Somers,,,OL98A'
  ].join('\n')
  const expected = {
    created: 303,
    unchanged: 0,
    refused: 2,
    errors: [
      {
        line: 303,
        pointer: '/identifiers/viaf',
        detail: /^is that of the author in line 2, who has another name/
      },
      {
        line: 305,
        pointer: '/identifiers/openlibrary',
        detail: /^is that of the author in line 304, who/
      }
    ]
  }
  const whole = (await post(server, headers, CSV, csv)).json()
  t.match(whole, { code: 'IMPORT_REFUSED', ...expected, created: 0 })
  const tried = (await post(server, headers, CSV, csv, '?mode=partial&dry_run=true')).json()
  t.match(tried, expected)
  t.same((await post(server, headers, CSV, csv, '?mode=partial')).json(), { ...tried, dry_run: false })
  t.equal(await count(server), 304)
  const other = 'name,book,openlibrary\nJane Somers,If,OL99A\nJane Somers,If,OL98A'
  t.match((await post(server, headers, CSV, other, '?mode=partial')).json(), {
    created: 1,
    errors: [{ line: 2, detail: /^is that of the author at \/authors\/ngugi, who has another name/ }]
  })
  const again = (await post(server, headers, CSV, csv, '?mode=partial')).json()
  t.match(again, { created: 0, unchanged: 303, refused: 2 })
})

test('an import takes authors of whom little is known, and names to sort by', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const csv = 'birth_year,name\n1867,Luigi Pirandello\n,"Deledda, G."\n1867,LUIGI  pirandello\n'
  t.match((await post(server, headers, CSV, csv)).json(), {
    created: 0,
    refused: 1,
    errors: [{ line: 4, pointer: '/name' }]
  })
  const lines = csv.split('\n').slice(0, 3).join('\n')
  t.match((await post(server, headers, CSV, `${lines}\n`)).json(), { created: 2, unchanged: 0, refused: 0 })
  const more = 'sort_name,note,name,book,country\n"Svevo, Italo",,Italo Svevo,,\n,n,Elsa Morante,"",Italy\n'
  const found = (await post(server, headers, CSV, more, '?mode=partial')).json()
  t.match(found, { created: 2, refused: 0, errors: [] }, 'an empty text of a book is as an empty cell')
  const bare =
    '{"name":"Natalia Ginzburg"}\n{"name":"Cesare Pavese","book":null,"country":"Italy","sort_name":"Pavese"}\n'
  t.match((await post(server, headers, NDJSON, bare)).json(), { created: 2, refused: 0 })
  const wanted = [
    ['Luigi Pirandello', null, null, null],
    ['Deledda, G.', null, null, null],
    ['Italo Svevo', 'Svevo, Italo', null, null],
    ['Elsa Morante', null, null, 'Italy'],
    ['Natalia Ginzburg', null, null, null],
    ['Cesare Pavese', 'Pavese', null, 'Italy']
  ]
  const ndjson = await exported(server, headers, NDJSON)
  const rows = ndjson
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.same(
    rows.map(({ name, sort_name, book, country }) => [name, sort_name, book, country]),
    wanted
  )
  const exportedCsv = await exported(server, headers, CSV)
  t.match(exportedCsv, /^Italo Svevo,,,false,,,,,,,"Svevo, Italo",\r$/m)
  for (const [type, text] of [
    [CSV, exportedCsv],
    [NDJSON, ndjson]
  ] as const)
    t.match((await post(server, headers, type, text)).json(), { created: 0, unchanged: 6, refused: 0 })
})

test('a file that cannot be read on is told where', async (t) => {
  const server = await buildApp(t)
  const { id } = await signIn(server)
  const run = (mediaType: string, payload: string | Buffer) =>
    importHere(server, id, Readable.from([Buffer.from(payload)]), { mediaType })
  const row = 'Ovid,Metamorphoses,Italy\n'
  const json = `${JSON.stringify(AUTHOR)}\n`
  const cases: [string, string, string | Buffer, number, RegExp][] = [
    ['no header', CSV, '', 1, /has no header; it must name name/],
    [
      'unknown and missing columns',
      CSV,
      'title,surname\ny,z\n',
      1,
      /unknown columns \(title, surname\) and lacks the column name; known are name/
    ],
    ['a column twice', CSV, 'name,book,country,Name\n', 1, /twice \(name\)/],
    [
      'a quote not closed',
      CSV,
      `name,book,country\n${row}"Ovid,x,y\nmore\n`,
      3,
      /quote that is not closed.*cut off/
    ],
    [
      'a quote in the wrong place',
      CSV,
      `name,book,country\n${row}Ov"id,x,y\n`,
      3,
      /quote in the wrong place/
    ],
    [
      'an endless quote',
      CSV,
      `name,book,country\n"${'x'.repeat(1_100_000)}`,
      2,
      /longer than 1000000 characters/
    ],
    [
      'Latin-1',
      CSV,
      Buffer.from(`name,book,country\n${row}Gabriel García,x,y\n`, 'latin1'),
      3,
      /not UTF-8 from here on/
    ],
    ['cut in a character', CSV, Buffer.from(`name,book,country\n${row}é`).subarray(0, -1), 3, /not UTF-8/],
    ['no JSON', NDJSON, `${json}\n{"name":\n`, 3, /is not a JSON text/],
    [
      'no UTF-8',
      NDJSON,
      Buffer.concat([Buffer.from(json), Buffer.from([0x22, 0xff, 0x22, 0x0a])]),
      2,
      /is not UTF-8/
    ],
    ['no object', NDJSON, `${json}[1]\n`, 2, /must be object/],
    ['an endless line', NDJSON, `${json}"${'x'.repeat(1_100_000)}`, 2, /longer than 1000000 bytes/],
    ['a prototype', NDJSON, `${json}{"__proto__":{},"name":"x"}`, 2, /"__proto__" or "constructor" key/],
    [
      'a prototype’s owner',
      NDJSON,
      '{"constructor":{"prototype":{}}}',
      1,
      /"__proto__" or "constructor" key/
    ],
    [
      'one name twice',
      NDJSON,
      `${json}\n{"name":"x","book":"y","n\\u0061me":"z"}`,
      3,
      /^names "name" twice, at line 3, column \d+$/
    ],
    [
      'a lost number',
      NDJSON,
      `${json}{"birth_year":1e-999}`,
      2,
      /^has the number 1e-999, which cannot be kept/
    ],
    ['a space that is none', NDJSON, `${json}\u00a0{"name":"x"}`, 2, /is not a JSON text/]
  ]
  for (const [title, type, payload, line, detail] of cases) {
    t.match(await run(type, payload), { refused: 1, created: 0, errors: [{ line, detail }] }, title)
    t.equal(await count(server), 0)
  }
  t.match(await run(NDJSON, ''), { created: 0, refused: 0 })
  const listed = await run(CSV, 'name,book,country\n'.concat(',x,y\n'.repeat(250)))
  t.match([listed.refused, listed.errors.length], [250, 100])
})

test('an import takes files of the two formats only, under any of their names, from editors', async (t) => {
  const server = await buildApp(t, { IMPORT_LIMIT: 1 })
  const { id, headers } = await signIn(server)
  const wrong = await post(server, headers, 'application/json', JSON.stringify(AUTHOR))
  t.match(wrong, { statusCode: 415, headers: { accept: /^text\/csv, application\/x-ndjson, / } })
  t.match(wrong.json(), { detail: /text\/csv or application\/x-ndjson/ })
  t.equal((await post(server, headers, `${CSV}; charset=utf-8`, HEADER)).statusCode, 200)
  const named = wrong.headers.accept?.toString().split(', ') ?? []
  t.strictSame(named.toSorted(), [...CSV_TYPES, ...NDJSON_TYPES].toSorted())
  for (const type of [
    'application/csv',
    'Application/Vnd.MS-Excel',
    'text/tab-separated-values; header=present'
  ])
    t.equal((await post(server, headers, type, HEADER)).statusCode, 200, type)
  for (const type of [
    'application/ndjson',
    'application/jsonl',
    'application/x-jsonlines',
    'application/jsonlines'
  ])
    t.match(
      (await post(server, headers, type, '\ufeff{}', '?dry_run=true')).json().errors,
      [{ pointer: '/name' }],
      type
    )
  for (const type of ['text/plain', 'application/octet-stream', 'application/json-seq'])
    t.equal((await post(server, headers, type, HEADER)).statusCode, 415, type)
  t.equal((await post(server, headers, CSV, HEADER, '?mode=some')).statusCode, 400)
  const large = `${HEADER}\n${'x'.repeat(1024 * 1024)}`
  const refused = await post(server, headers, CSV, large)
  t.match(refused.json(), { code: 'BODY_TOO_LARGE', status: 413, detail: /1 MiB/ })
  const chunked = await server.inject({
    method: 'POST',
    url: '/authors/import',
    headers: { ...headers, 'content-type': CSV, 'transfer-encoding': 'chunked' },
    payload: Readable.from([large])
  })
  t.equal(chunked.statusCode, 413, 'also when it does not say its length')
  t.equal((await post(server, headers, CSV, HEADER)).statusCode, 200, 'and it goes on')
  await directly(t, server).updateTable('users').set({ role: 'reader' }).where('id', '=', id).execute()
  t.match((await post(server, headers, CSV, HEADER)).json(), { code: 'ROLE_REQUIRED' })
})

test('an import tells how far it is to whoever asks for events', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const events = { ...headers, accept: 'text/event-stream' }
  const good = await post(server, events, NDJSON, oddNdjson)
  t.match(good.headers, { 'content-type': /^text\/event-stream/, 'x-accel-buffering': 'no' })
  t.match(good.body, /^event: progress\ndata: {"bytes":\d+}\n\n/)
  t.match(good.body, /event: progress\ndata: {"rows":\d+}\n\n/)
  t.match(good.body, new RegExp(`event: result\ndata: {"created":${ODD_TEXTS.length},.*}\n\n$`))
  const bad = await post(server, events, CSV, 'name,book,country\n,x,y\n')
  t.match(bad.body, /event: problem\ndata: {.*"code":"IMPORT_REFUSED".*"line":2.*}\n\n$/)
  t.equal((await post(server, events, 'text/plain', 'x')).statusCode, 415)
})

test('an upload that breaks off leaves nothing behind', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const folder = path.dirname(server.databaseFiles)
  const before = readdirSync(folder).sort()
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const rows = 'Ovid,Metamorphoses,Italy\n'.repeat(100)
  socket.write(
    `POST /authors/import HTTP/1.1\r\nhost: x\r\ncontent-type: ${CSV}\r\nauthorization: ${headers.authorization}\r\ncontent-length: 100000\r\n\r\nname,book,country\n${rows}`
  )
  await fetch(`${url}/health/live`)
  t.strictSame(readdirSync(folder).sort(), before, 'not even while it comes in')
  socket.destroy()
  await fetch(`${url}/health/live`)
  t.strictSame(readdirSync(folder).sort(), before)
  t.equal(await count(server), 0)
})

test('who may write no more at the end of an upload imports nothing', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  async function* slowly() {
    yield oddNdjson
    await directly(t, server)
      .updateTable('sessions')
      .set({ ended_at: new Date().toISOString() })
      .where('user_number', '=', numberOfUser(id))
      .execute()
  }
  const answer = await server.inject({
    method: 'POST',
    url: '/authors/import',
    headers: { ...headers, 'content-type': NDJSON, 'transfer-encoding': 'chunked' },
    payload: Readable.from(slowly())
  })
  t.match(answer.json(), { code: 'INVALID_TOKEN', status: 401 })
  t.equal(await count(server), 0)
})

test('in parts it lets others write in between; namesakes get slugs that are free', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  const authors = Array.from({ length: 3000 }, (_, i) => ({ ...AUTHOR, book: `Book ${i}` }))
  const file = authors.map((author) => `${JSON.stringify(author)}\n`).join('')
  const progress: number[] = []
  const importing = importHere(server, id, Readable.from([Buffer.from(file)]), { mode: 'partial' }, (rows) =>
    progress.push(rows)
  )
  let written = 0
  let isDone = false
  importing.finally(() => {
    isDone = true
  })
  while (!isDone) {
    const payload = { ...AUTHOR, name: 'Ovid', book: `Book ${written}` }
    t.equal((await server.inject({ method: 'POST', url: '/authors', headers, payload })).statusCode, 201)
    written += 1
  }
  t.match(await importing, { created: 3000, unchanged: 0, refused: 0 })
  t.ok(written > 2, `${written} other authors came in between`)
  t.equal(progress.at(-1), 3000)
  t.equal((await exported(server, headers, NDJSON)).trimEnd().split('\n').length, 3000 + written)
  const { name_key } = await server.db
    .selectFrom('authors')
    .select('name_key')
    .where('slug', '=', 'salman-rushdie')
    .executeTakeFirstOrThrow()
  const namesakes = server.db.selectFrom('authors').select('slug').where('name_key', '=', name_key)
  const slugs = await namesakes.execute()
  t.equal(new Set(slugs.map(({ slug }) => slug)).size, 3000)
  t.ok(slugs.every(({ slug }) => /^salman-rushdie(-\d+)?$/.test(slug)))
})

async function sessionOf(server: FastifyInstance, userId: string): Promise<string> {
  const { id } = await server.db
    .selectFrom('sessions')
    .select('id')
    .where('user_number', '=', numberOfUser(userId))
    .executeTakeFirstOrThrow()
  return id
}

test('an import that fails for another reason is rolled back and told as it is', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  if (engineOf(t) === 'sqlite') {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    const blocking = directly(t, server)
      .transaction()
      .execute(() => held)
    const busy = await post(server, headers, NDJSON, oddNdjson)
    t.match(busy.json(), { code: 'STORAGE_UNAVAILABLE', status: 503 })
    release()
    await blocking
  }
  async function* broken() {
    yield Buffer.from(oddNdjson)
    throw new Error('the disk is gone')
  }
  await t.rejects(importHere(server, id, Readable.from(broken()), {}), { message: 'the disk is gone' })
  t.equal(await count(server), 0)
  const rename = (from: string, to: string) =>
    directly(t, server).schema.alterTable(from).renameTo(to).execute()
  await rename('author_words', 'gone')
  t.equal((await post(server, headers, NDJSON, oddNdjson)).statusCode, 500)
  await rename('gone', 'author_words')
  t.equal((await post(server, headers, NDJSON, oddNdjson)).statusCode, 200)
})

test('what a spreadsheet saved is imported whole', async (t) => {
  const server = await buildApp(t)
  const { headers } = await signIn(server)
  const german = [
    '\ufeffsep=;',
    'Name;Book;Country;booker_prize;birth_year;viaf;isni;;',
    'Uwe Timm;Morenga;Deutschland;FALSCH;1940.0;108299403.0;;;',
    'Penelope Lively;Moon Tiger;England;WAHR;1933,0;;0000-0001-2146-438x;;',
    ';;;;;;;;',
    ''
  ].join('\r\n')
  t.match((await post(server, headers, 'application/vnd.ms-excel', german)).json(), {
    created: 2,
    refused: 0
  })
  const author = async (slug: string) => (await server.inject({ url: `/authors/${slug}`, headers })).json()
  t.match(await author('uwe-timm'), {
    booker_prize: false,
    birth_year: 1940,
    identifiers: { viaf: '108299403' }
  })
  t.match(await author('penelope-lively'), {
    ...{ booker_prize: true, birth_year: 1933 },
    identifiers: { isni: '000000012146438X' }
  })
  const mac =
    'name\tbook\tcountry\rHella Haasse\tOeroeg\tNederland\rCees Nooteboom\tRituelen\t\u0007Nederland\r'
  const { created, errors } = (await post(server, headers, CSV, mac, '?mode=partial')).json()
  t.equal(created, 1)
  t.match(errors, [{ line: 3, pointer: '/country', detail: /^has U\+0007, a control character/ }])
  const doubtful = [
    'name,book,country,birth_year,booker_prize,viaf',
    'Bessie Head,Maru,Botswana,1937?,no,2.46E+21',
    'Bessie Head,Maru,Botswana,6.7.1937,perhaps,unknown',
    'Bessie Head,Maru,Botswana,1937,n,  24600000 '
  ].join('\n')
  const answer = (await post(server, headers, CSV, doubtful, '?mode=partial')).json()
  t.match(answer, { created: 1, refused: 2 })
  t.match(
    answer.errors.toSorted((a: { line: number; pointer: string }, b: { line: number; pointer: string }) =>
      `${a.line}${a.pointer}`.localeCompare(`${b.line}${b.pointer}`)
    ),
    [
      { line: 2, pointer: '/birth_year', detail: /"1937\?", which is no year alone: .* such as 1937/ },
      {
        line: 2,
        pointer: '/identifiers/viaf',
        detail: /a spreadsheet has rounded: format its column as text/
      },
      { line: 3, pointer: '/birth_year', detail: /"6.7.1937", which is no year alone/ },
      {
        line: 3,
        pointer: '/booker_prize',
        detail: /^is "perhaps", which is no boolean: write true or false/
      },
      {
        line: 3,
        pointer: '/identifiers/viaf',
        detail: /^is "unknown", which is no VIAF identifier; expected: VIAF/
      }
    ]
  )
})

test('what was stored before controls were refused is read, exported, changed and restored', async (t) => {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  const old = { name: 'Two\nlines\u0007', book: 'a\tb', country: '\u2028x', note: 'a\u000bb' }
  const user = { id, role: 'editor', sessionId: await sessionOf(server, id) } as const
  await server.run(user, createAuthor, { content: old })
  const url = '/authors/two-lines'
  const get = async () => (await server.inject({ url, headers })).json()
  t.match(await get(), old)
  t.match(JSON.parse(await exported(server, headers, NDJSON)), old)
  const csv = await exported(server, headers, CSV)
  t.match((await post(server, headers, CSV, csv)).json().errors, [
    { line: 2, pointer: '/name', detail: /U\+000A, a line break/ },
    { line: 2, pointer: '/book', detail: /a tab/ },
    { line: 2, pointer: '/country', detail: /U\+2028, a line break/ }
  ])
  const patch = { ...headers, 'content-type': 'application/merge-patch+json' }
  t.match(
    (await server.inject({ method: 'PATCH', url, headers: patch, payload: '{"birth_year":1900}' })).json(),
    old
  )
  t.equal((await server.inject({ method: 'DELETE', url, headers })).statusCode, 204)
  t.equal((await server.inject({ method: 'POST', url: `${url}/restore`, headers })).statusCode, 201)
  t.match(await get(), { ...old, birth_year: 1900 })
  t.match((await server.inject({ url: `${url}/history`, headers })).statusCode, 200)
})

test('files as libraries and prizes have them go in, and what does not is told by its line', async (t) => {
  const importInto = async (file: string, query = '') => {
    const server = await buildApp(t)
    const { headers } = await signIn(server)
    return (await post(server, headers, CSV, file, `?mode=partial${query}`)).json()
  }
  const prizes = [
    'name,book,country,viaf',
    'Hanna Sampleton,The Well,Kenya,100000017',
    'Hanna Sampleton,The Wall,Kenya,viaf.org/viaf/100000017',
    'Hanna Sampleton,The Wheel,Kenya,n/a',
    'Igor Testov,The Wind,Chile,4.10023E+20'
  ]
  t.match(await importInto(prizes.join('\n')), {
    ...{ created: 2, refused: 2 },
    errors: [
      { line: 4, pointer: '/identifiers/viaf', detail: /"n\/a", which is no VIAF/ },
      { line: 5, pointer: '/identifiers/viaf', detail: /rounded/ }
    ]
  })
  const lives = 'name,birth_year,death_year\nHanna Sampleton,1870,1931.0\nIgor Testov,1902,\n'
  t.match(await importInto(lives), { created: 2, refused: 0 })
  const foreign = [
    'Autorin\tWerk\tLand\tISNI\tWikidata\tStandort',
    'Hanna Sampleton\tDer Brunnen\tKenia\t0000 0001 2146 438x\thttp://www.wikidata.org/entity/Q937\tA 7',
    'Igor Testov\tDer Wind\tChile\thttps://isni.org/isni/000000012146438X\tq5\tB 2'
  ].join('\r')
  t.match(await importInto(foreign), {
    ...{ created: 0, refused: 1 },
    errors: [
      {
        line: 1,
        detail: /unknown columns \(Autorin, Werk, Land, Standort\) and lacks .*name; .*--map.*Autorin=name/
      }
    ]
  })
  const map = encodeURIComponent('Autorin=name,Werk=book,Land=country,Standort=')
  t.match(await importInto(foreign, `&map=${map}`), {
    ...{ created: 1, refused: 1 },
    errors: [{ line: 3, pointer: '/identifiers/isni', detail: /line 2/ }]
  })
})
