/** What others do while an import runs, and what is left when it is cut short. */
import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTick, setTimeout as pause } from 'node:timers/promises'
import Sqlite from 'better-sqlite3'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { sql } from 'kysely'
import type { Test } from 'tap'
import { Staging } from '../../db/authors/staging.ts'
import type { AuthorContent, AuthorRecord } from '../../db/authors/table.ts'
import { termsOf } from '../../db/authors/words.ts'
import { type CallerCredential, type Command, callOf } from '../../db/command.ts'
import { createAuthor, deleteAuthor, replaceAuthor } from '../../db/commands/authors.ts'
import { applyImport } from '../../db/commands/imports.ts'
import { openDatabase } from '../../db/database.ts'
import { databaseFile, isUnavailable } from '../../db/dialect.ts'
import { idOfUser } from '../../db/user-numbers.ts'
import { checkedRows } from '../../plugins/transfers/checked-rows.ts'
import { type ImportJob, type ImportService, runImport } from '../../plugins/transfers/import-job.ts'
import { withStagedFile } from '../../plugins/transfers/staged-files.ts'
import { readFile } from '../../scripts/crash/database-file.ts'
import { indexedTerms } from '../../scripts/crash/indexed-terms.ts'
import { unsoundness } from '../../scripts/crash/soundness.ts'
import { engineOf, newDatabase, test } from '../engines.ts'
import {
  AUTHOR,
  basic,
  buildApp,
  directly,
  listen,
  PASSWORD,
  signIn,
  startServer,
  temporaryFolder
} from '../helpers.ts'

const NDJSON = 'application/x-ndjson'
/** More than what is decided at once. */
const FILLERS = 300

const ndjson = (contents: AuthorContent[]) =>
  contents.map((content) => `${JSON.stringify(content)}\n`).join('')

const authors = (count: number, name = 'Filler') =>
  Array.from({ length: count }, (_, i) => ({ ...AUTHOR, name: `${name} ${i}`, book: `Book ${i}` }))

async function openImporter(t: Test) {
  const server = await buildApp(t)
  const { id, headers } = await signIn(server)
  const direct = directly(t, server)
  const session = await direct.selectFrom('sessions').select('id').executeTakeFirstOrThrow()
  const user = { id, role: 'editor', sessionId: session.id } as const
  const database = server.config.DATABASE_URL

  function importRows(
    source: Iterable<string> | AsyncIterable<string>,
    job: Partial<ImportJob> = {},
    before = noop,
    onProgress = noop as () => unknown
  ) {
    async function run<I extends object, O>(command: Command<I, O>, input: I): Promise<O> {
      if (command.name === applyImport.name) await before()
      return server.run(user, command, input)
    }
    const whole = { mediaType: NDJSON, mode: 'all', dryRun: false, ...job, ownerId: id } as const
    const rows = checkedRows(Readable.from(buffersOf(source)), whole)
    return withStagedFile(server.databaseFiles, (staged) =>
      runImport({ files: { database, staged }, run, onProgress }, rows, whole)
    )
  }

  async function everything() {
    const rows = await direct
      .selectFrom('authors')
      .innerJoin('changes', 'changes.author_number', 'authors.number')
      .selectAll('changes')
      .select(['authors.id', 'authors.slug', 'authors.record'])
      .select(idOfUser('changes.actor_number').as('actor_id'))
      .select(idOfUser('authors.owner_number').as('owner_id'))
      .orderBy('sequence')
      .execute()
    return rows.map((row) => {
      const { name, book, created_at }: AuthorRecord = JSON.parse(row.record)
      return { ...row, name, book, created_at }
    })
  }

  return { server, user, headers, direct, database, importRows, everything }
}

async function noop(): Promise<void> {}

async function* buffersOf(source: Iterable<string> | AsyncIterable<string>) {
  for await (const text of source) yield Buffer.from(text)
}

type Importer = Awaited<ReturnType<typeof openImporter>>

interface Interference {
  title: string
  /** In the catalogue before. */
  before: AuthorContent[]
  rows: AuthorContent[]
  interfere(server: FastifyInstance, user: CallerCredential): Promise<unknown>
  expected: object
  slugs?: string[]
}

const SHAME = { ...AUTHOR, book: 'Shame' }
const create = (content: AuthorContent) => (server: FastifyInstance, user: CallerCredential) =>
  server.run(user, createAuthor, { content })
const target = { idOrSlug: 'salman-rushdie', preconditions: {} }

const INTERFERENCES: Interference[] = [
  {
    title: 'another creates the same author',
    before: [],
    rows: [SHAME, AUTHOR, AUTHOR],
    interfere: create(AUTHOR),
    expected: { created: FILLERS + 1, unchanged: 2, refused: 0 },
    slugs: ['salman-rushdie', 'salman-rushdie-2']
  },
  {
    title: 'another creates it with other content',
    before: [],
    rows: [SHAME, AUTHOR, AUTHOR],
    interfere: create({ ...AUTHOR, country: 'Pakistan' }),
    expected: {
      created: 0,
      unchanged: 0,
      refused: 2,
      errors: [2, 3].map((line) => ({
        line,
        pointer: '/country',
        detail: /\/authors\/salman-rushdie, which/
      }))
    }
  },
  {
    title: 'another takes an identifier',
    before: [],
    rows: [{ ...AUTHOR, identifiers: { viaf: '7' } }],
    interfere: create({ ...SHAME, name: 'Somebody Else', identifiers: { viaf: '7' } }),
    expected: {
      created: 0,
      refused: 1,
      errors: [{ line: 1, pointer: '/identifiers/viaf', detail: /at \/authors\/somebody-else, who has/ }]
    }
  },
  {
    title: 'another creates a further book of the same person',
    before: [],
    rows: [{ ...AUTHOR, identifiers: { viaf: '7' } }],
    interfere: create({ ...SHAME, identifiers: { viaf: '7' } }),
    expected: { created: FILLERS + 1, unchanged: 0, refused: 0 },
    slugs: ['salman-rushdie', 'salman-rushdie-2']
  },
  {
    title: 'another renames a person whose further books are staged',
    before: [{ ...SHAME, identifiers: { isni: '000000012146438X' } }],
    rows: ['Fury', null, 'Shame'].map((book) => ({
      ...AUTHOR,
      book,
      booker_prize: true,
      identifiers: { isni: '000000012146438X' }
    })),
    interfere: (server, user) =>
      server.run(user, replaceAuthor, {
        ...target,
        content: { ...SHAME, name: 'Joseph Anton', identifiers: { isni: '000000012146438X' } }
      }),
    expected: {
      created: 0,
      unchanged: 0,
      refused: 3,
      errors: [1, 2, 3].map((line) => ({
        line,
        pointer: '/identifiers/isni',
        detail: /\/authors\/salman-rushdie, /
      }))
    }
  },
  {
    title: 'another creates the same author, whose book is unknown',
    before: [],
    rows: [{ name: AUTHOR.name }, { name: AUTHOR.name.toUpperCase(), book: 'Fury' }],
    interfere: create({ name: AUTHOR.name, book: null, country: null }),
    expected: { created: FILLERS + 1, unchanged: 1, refused: 0 },
    slugs: ['salman-rushdie']
  },
  {
    title: 'another takes a slug',
    before: [],
    rows: [AUTHOR, { ...AUTHOR, book: 'Fury' }],
    interfere: create(SHAME),
    expected: { created: FILLERS + 2, unchanged: 0, refused: 0 },
    slugs: ['salman-rushdie', 'salman-rushdie-2', 'salman-rushdie-3']
  },
  {
    title: 'another deletes what was there already',
    before: [AUTHOR],
    rows: [AUTHOR, AUTHOR],
    interfere: (server, user) => server.run(user, deleteAuthor, target),
    expected: { created: FILLERS + 1, unchanged: 1, refused: 0 },
    slugs: ['salman-rushdie']
  },
  {
    title: 'another changes what was there already',
    before: [AUTHOR],
    rows: [AUTHOR, SHAME],
    interfere: (server, user) =>
      server.run(user, replaceAuthor, { ...target, content: { ...AUTHOR, note: 'x' } }),
    expected: { created: 0, unchanged: 0, refused: 1, errors: [{ line: 1, pointer: '/note' }] }
  },
  {
    title: 'another deletes what was in the way',
    before: [SHAME],
    rows: [AUTHOR],
    interfere: (server, user) => server.run(user, deleteAuthor, target),
    expected: { created: FILLERS + 1, unchanged: 0, refused: 0 },
    slugs: ['salman-rushdie-2']
  }
]

/** Which terms the index has of which author. */
async function indexedIn(
  t: Test,
  { database, direct }: Importer
): Promise<{ number: number; term: string }[]> {
  if (engineOf(t) === 'sqlite') return readFile(databaseFile(database), indexedTerms)
  const { rows } = await sql<{ number: number; term: string }>`
    select number, unnest(tsvector_to_array(words)) as term from author_words order by number, term`.execute(
    direct
  )
  return rows
}

async function assertConsistent(t: Test, importer: Importer): Promise<void> {
  const { database, direct, everything } = importer
  for (const { record, id, slug } of await everything()) t.match(JSON.parse(record), { id, slug })
  // PostgreSQL takes no longer ones.
  const shortened = (term: string) => (engineOf(t) === 'sqlite' ? term : [...term].slice(0, 511).join(''))
  const indexed = new Map<number, Set<string>>()
  for (const { number, term } of await indexedIn(t, importer)) {
    indexed.set(number, (indexed.get(number) ?? new Set()).add(term))
  }
  const rows = await direct.selectFrom('authors').select(['number', 'record']).execute()
  t.equal(indexed.size, rows.length)
  for (const { number, record } of rows)
    t.strictSame(indexed.get(number), new Set(termsOf(JSON.parse(record)).split(' ').map(shortened)))
  if (engineOf(t) === 'sqlite') t.strictSame(unsoundness(databaseFile(database)), [])
}

for (const { title, before, rows, interfere, expected, slugs } of INTERFERENCES) {
  test(`what is imported fits what others write meanwhile: ${title}`, async (t) => {
    for (const when of ['while rows are staged', 'before they are applied']) {
      const importer = await openImporter(t)
      const { server, user, importRows } = importer
      for (const content of before) await create(content)(server, user)
      const { promise: someAreStaged, resolve: whenStaged } = Promise.withResolvers<void>()
      async function* source() {
        yield ndjson([...rows, ...authors(FILLERS)])
        if (when !== 'while rows are staged') return
        await someAreStaged
        await interfere(server, user)
      }
      const atTheEnd = async () => void (await interfere(server, user))
      const last = when === 'while rows are staged' ? noop : atTheEnd
      const result = await importRows(source(), {}, last, whenStaged)
      t.match(result, expected, when)
      const namesakes = (await importer.everything()).filter(({ name }) => name === AUTHOR.name)
      if (slugs) t.strictSame([...new Set(namesakes.map(({ slug }) => slug))].sort(), slugs, when)
      await assertConsistent(t, importer)
    }
  })
}

/** mulberry32 */
function random(seed: number) {
  let state = seed
  return (limit: number) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

function randomRows(seed: number, count: number, room: number): AuthorContent[] {
  const next = random(seed)
  return Array.from({ length: count }, () => {
    const number = next(room)
    const viaf = [String(1 + next(room * 8)), String(1_000_000 + number), null, null, null][next(5)] as string
    return {
      name: `${['Name', 'name', 'Náme', 'Name 2'][next(4)]} ${number}`,
      sort_name: next(30) === 0 ? `${number}, Name` : null,
      book: next(12) === 0 ? null : `Book ${next(room)}`,
      country: next(20) === 0 ? 'Here' : 'There',
      identifiers: { viaf }
    }
  })
}

/** A number that is free is looked for in another way when rows are written some at a time. */
const withoutSlugs = (summary: object) => JSON.stringify(summary).replaceAll(/\/authors\/[^,]+,/g, '')

test('rows that are staged become what they would become when written one after the other', async (t) => {
  let applied = 0
  for (const seed of [1, 4]) {
    const [staging, writing] = [await openImporter(t), await openImporter(t)]
    const before = randomRows(seed, 60, 12)
    const rows = randomRows(seed + 100, 700, seed < 3 ? 12 : 60)
    const good = rows.map(({ name, book }) => ({
      name: name.replace(/^.* /, 'Name '),
      book,
      country: 'There'
    }))
    for (const { importRows } of [staging, writing]) {
      await importRows([ndjson(before.map((row) => ({ ...row, country: 'There' })))], { mode: 'partial' })
    }
    const tried = await staging.importRows([ndjson(rows)], { mode: 'partial', dryRun: true })
    const written = await writing.importRows([ndjson(rows)], { mode: 'partial' })
    t.strictSame(withoutSlugs(written), withoutSlugs(tried), `seed ${seed}`)
    t.ok(tried.refused > 0)
    const refused = await staging.importRows([ndjson(rows)])
    t.strictSame(refused, { ...tried, created: 0 })

    const [one, other] = [await openImporter(t), await openImporter(t)]
    const whole = await one.importRows([ndjson(good)])
    t.strictSame(whole, await other.importRows([ndjson(good)], { mode: 'partial' }))
    applied += whole.created
    const rowsOf = async ({ everything }: Importer) =>
      (await everything()).map(({ sequence, author_number, slug, name, book, version, operation }) => {
        return { sequence, author_number, slug, name, book, version, operation }
      })
    t.strictSame(await rowsOf(one), await rowsOf(other))
    t.strictSame(await indexedIn(t, one), await indexedIn(t, other))
    await assertConsistent(t, one)
  }
  t.ok(applied > 500)
})

test('authors of an import are in the log in the order of their rows, each with the time of its id', async (t) => {
  const { user, direct, importRows, everything } = await openImporter(t)
  await importRows([ndjson(authors(700))])
  const rows = await everything()
  t.strictSame(
    rows.map(({ name }) => name),
    authors(700).map(({ name }) => name)
  )
  t.strictSame(
    rows.map(({ id }) => id),
    rows.map(({ id }) => id).sort()
  )
  for (const { id, created_at, at, actor_id, owner_id, operation } of rows) {
    const time = new Date(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toISOString()
    t.match(
      { created_at, at, actor_id, owner_id, operation },
      { created_at: time, at: time, operation: 'created' }
    )
    t.strictSame([actor_id, owner_id], [user.id, user.id])
  }
  t.strictSame(await direct.selectFrom('changes').select('deleted_slug').distinct().execute(), [
    { deleted_slug: null }
  ])
})

/** What each engine has made of one file. */
const made = new Map<string, unknown>()

const ODD_ROWS: AuthorContent[] = [
  { name: 'Ọlá\\ "Ọ̀nà" \'x\' {1}', book: '} ,"created_at":"', country: '🇮🇪 \\u0041', note: 'a\n\tb\\' },
  { name: '𝕸𝖆𝖗𝖎𝖆', sort_name: '𝕸, Maria', book: null, birth_year: -43, death_year: 18 },
  { name: 'ﬃ'.repeat(180), book: '🙂𠀋'.repeat(90), identifiers: { viaf: '77', wikidata: 'Q5' } },
  { name: '𠀋'.repeat(190), book: 'One long word', booker_prize: true }
]

test('a file becomes the same rows on each engine, byte for byte', async (t) => {
  const importer = await openImporter(t)
  const { server, user, headers, database, everything } = importer
  const writing = await openDatabase(database, { isInUse: true })
  t.teardown(() => writing.close())
  // Its last digits would overflow.
  const stamp = { id: '0193641c-8f00-7abc-8def-fffffffffff0', at: new Date().toISOString() }
  const run = ((command: Command<object, unknown>, input: object) =>
    writing.run({ ...callOf(command, input, user), stamp })) as ImportService['run']
  const rows = [...ODD_ROWS, ...authors(600), AUTHOR, ...authors(40, 'Salman Rushdie'), AUTHOR]
  const summary = await withStagedFile(server.databaseFiles, (staged) =>
    runImport(
      { files: { database, staged }, run, onProgress: () => {} },
      checkedRows(Readable.from([Buffer.from(ndjson(rows))]), { mediaType: NDJSON }),
      { mediaType: NDJSON, mode: 'all', dryRun: false, ownerId: user.id }
    )
  )
  t.match(summary, { created: rows.length - 1, unchanged: 1 })
  await assertConsistent(t, importer)
  for (const { name } of ODD_ROWS) {
    const url = `/authors?q=${encodeURIComponent(name)}`
    const { data } = (await server.inject({ url, headers })).json()
    t.strictSame(
      data.map((found: { name: string }) => found.name),
      [name]
    )
  }
  const text = JSON.stringify(await everything()).replaceAll(user.id, 'the owner')
  const first = made.values().next().value ?? text
  made.set(engineOf(t), text)
  t.equal(text, first)
})

test('who may write no more when the rows are staged imports nothing', async (t) => {
  const { direct, importRows } = await openImporter(t)
  const logOut = async () => {
    await direct.updateTable('sessions').set({ ended_at: new Date().toISOString() }).execute()
  }
  await t.rejects(importRows([ndjson([AUTHOR])], {}, logOut), { code: 'INVALID_TOKEN' })
  t.strictSame(await direct.selectFrom('authors').select('id').execute(), [])
  await t.rejects(importRows([ndjson([AUTHOR])], { dryRun: true }), { code: 'INVALID_TOKEN' })
})

test('others write while an import runs, and nothing of it stays beside the database', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const folder = path.dirname(server.databaseFiles)
  const before = readdirSync(folder).sort()
  const importing = fetch(`${url}/authors/import`, {
    method: 'POST',
    headers: { ...headers, 'content-type': NDJSON },
    body: ndjson(authors(10_000))
  })
  let isDone = false
  importing.finally(() => {
    isDone = true
  })
  const waits: number[] = []
  while (!isDone) {
    const begun = performance.now()
    const payload = { ...AUTHOR, book: `Other ${waits.length}` }
    const { statusCode } = await server.inject({ method: 'POST', url: '/authors', headers, payload })
    if (statusCode !== 201) t.equal(statusCode, 201)
    waits.push(performance.now() - begun)
    await nextTick()
  }
  t.match(await (await importing).json(), { created: 10_000, unchanged: 0, refused: 0 })
  const p99 = waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.99)] as number
  const [, second = 0] = waits.toReversed()
  // There the one that waits for the rows to be inserted waits for longer.
  const long = engineOf(t) === 'sqlite' ? p99 : second
  t.ok(waits.length > 50 && long < 1000, `${waits.length} others came in between, p99 ${p99} ms`)
  t.strictSame(readdirSync(folder).sort(), before)
})

test('what a crash has left beside the database is deleted at the next start', async (t) => {
  const server = await buildApp(t)
  const file = `${server.databaseFiles}.staged-x`
  for (const name of [file, `${file}-journal`]) writeFileSync(name, 'x')
  await server.listen({ host: '127.0.0.1', port: 0 })
  t.strictSame(
    readdirSync(path.dirname(file)).filter((name) => name.includes('staged')),
    []
  )
})

test('each process has a folder of its own in SPOOL_DIR, and leaves those of the living alone', async (t) => {
  const SPOOL_DIR = path.join(temporaryFolder(t), 'deep', 'spool')
  const first = await buildApp(t, { SPOOL_DIR })
  const { DATABASE_URL } = first.config
  writeFileSync(`${first.databaseFiles}.staged-x`, 'x')
  const own = path.basename(path.dirname(first.databaseFiles))
  t.strictSame(readdirSync(SPOOL_DIR), [own])
  const staged = `${path.basename(first.databaseFiles)}.staged-x`
  t.strictSame(readdirSync(path.join(SPOOL_DIR, own)), [staged, 'lock'])
  for (const name of ['library-spool-killed', 'library-spool-other', 'library-spool-new', 'mine']) {
    mkdirSync(path.join(SPOOL_DIR, name))
    if (name !== 'library-spool-new') writeFileSync(path.join(SPOOL_DIR, name, 'lock'), '')
  }
  // Only root can give a folder to somebody else.
  const isRoot = process.getuid?.() === 0
  if (isRoot) chownSync(path.join(SPOOL_DIR, 'library-spool-other'), 65534, 65534)
  const second = await listen(t, { SPOOL_DIR, DATABASE_URL })
  const others = path.basename(path.dirname(second.server.databaseFiles))
  const left = ['library-spool-new', 'mine', ...(isRoot ? ['library-spool-other'] : [])]
  t.strictSame(readdirSync(SPOOL_DIR).sort(), [own, others, ...left].sort())
  t.strictSame(readdirSync(path.join(SPOOL_DIR, own)), [staged, 'lock'])

  const { headers } = await signIn(first)
  const importing = {
    method: 'POST',
    url: '/authors/import',
    headers: { ...headers, 'content-type': NDJSON }
  }
  const answer = await first.inject({ ...importing, payload: ndjson(authors(3)) } as InjectOptions)
  t.match(answer.json(), { created: 3 })
  await first.close()
  await second.server.close()
  t.strictSame(readdirSync(SPOOL_DIR).sort(), left.sort())
})

test('a SPOOL_DIR that cannot be used is told at the start', async (t) => {
  const file = path.join(temporaryFolder(t), 'file')
  writeFileSync(file, '')
  const starting = buildApp(t, { SPOOL_DIR: file })
  await t.rejects(starting, { name: 'DatabaseRefused', message: /^The folder .* set SPOOL_DIR to another/ })
})

const ROWS = 8000

/** When the process is killed: at a progress, or so long after the last one. */
const KILLS = [{ rows: 4000 }, { after: 0 }, { after: 200 }]

test('a killed import leaves all or nothing', async (t) => {
  for (const kill of KILLS) {
    const SPOOL_DIR = temporaryFolder(t)
    const DATABASE_URL = await newDatabase(t)
    const variables = { DATABASE_URL, SPOOL_DIR }
    const server = await startServer(t, variables)
    const authorization = await tokenOf(server.url)
    const answer = await fetch(`${server.url}/authors/import`, {
      method: 'POST',
      headers: { authorization, 'content-type': NDJSON, accept: 'text/event-stream' },
      body: ndjson(authors(ROWS))
    })
    const isAnswered = await killAt(server.child, answer, kill)
    await server.exited
    const next = await startServer(t, variables)
    const again = await tokenOf(next.url, 'other')
    const { total } = (await (
      await fetch(`${next.url}/authors?limit=1&count=true`, { headers: { authorization: again } })
    ).json()) as { total: number }
    t.ok(total === ROWS || (total === 0 && !isAnswered), `${total} after ${JSON.stringify(kill)}`)
    t.equal(readdirSync(SPOOL_DIR).length, 1, 'only the next one has a folder')
    next.child.kill('SIGKILL')
  }
})

async function tokenOf(url: string, username = 'salman'): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  await fetch(`${url}/register`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ username, password: PASSWORD })
  })
  const authorization = basic(username, PASSWORD)
  const answer = await fetch(`${url}/login`, { method: 'POST', headers: { authorization } })
  return `Bearer ${((await answer.json()) as { access_token: string }).access_token}`
}

/** Kills the process when its time has come; whether the import had been answered before. */
async function killAt(
  child: { kill(signal: 'SIGKILL'): unknown },
  answer: Response,
  { rows = ROWS - 1500, after = 0 }: { rows?: number; after?: number }
): Promise<boolean> {
  let text = ''
  let killing: Promise<unknown> | undefined
  const decoder = new TextDecoder()
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true })
      const seen = Number(/.*{"rows":(\d+)}/s.exec(text)?.[1] ?? 0)
      if (seen >= rows) killing ??= pause(after).then(() => child.kill('SIGKILL'))
    }
  } catch {
    // The connection ended with the process.
  }
  if (killing === undefined) child.kill('SIGKILL')
  await killing
  return text.includes('event: result')
}

test('a staged file that cannot be opened makes the database unavailable, and nothing else', async (t) => {
  const { server, user } = await openImporter(t)
  const apply = server.run(user, applyImport, { staged: temporaryFolder(t), since: 0 })
  t.ok(isUnavailable(await apply.catch((error) => error)))
  await server.checkDatabase()
})

test('what cannot be staged because the database is gone leaves no file open', async (t) => {
  const folder = temporaryFolder(t)
  const staged = path.join(folder, 'staged.db')
  const gone = { sqlite: path.join(folder, 'gone.db'), postgres: 'postgres://nobody@127.0.0.1:1/gone' }
  await t.rejects(Staging.open({ database: gone[engineOf(t)], staged }, 'x'))
  const other = new Sqlite(staged, { timeout: 0 })
  other.exec('begin exclusive')
  other.close()
})
