/** What others do while an import runs, and what is left when it is cut short. */
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setImmediate as nextTick, setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AuthorContent } from '../../db/authors/table.ts'
import { termsOf } from '../../db/authors/words.ts'
import type { CallerCredential, Command } from '../../db/command.ts'
import { createAuthor, deleteAuthor, replaceAuthor } from '../../db/commands/authors.ts'
import { applyImport } from '../../db/commands/imports.ts'
import { databaseFile, isUnavailable } from '../../db/dialect.ts'
import { idOfUser } from '../../db/user-numbers.ts'
import { type ImportJob, runImport } from '../../plugins/transfers/import-job.ts'
import { withStagedFile } from '../../plugins/transfers/staged-files.ts'
import { readFile } from '../../scripts/crash/database-file.ts'
import { indexedTerms } from '../../scripts/crash/indexed-terms.ts'
import { unsoundness } from '../../scripts/crash/soundness.ts'
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
  const database = databaseFile(server.config.DATABASE_URL)

  function importRows(
    source: Iterable<string> | AsyncIterable<string>,
    job: Partial<ImportJob> = {},
    before = noop
  ) {
    async function run<I extends object, O>(command: Command<I, O>, input: I): Promise<O> {
      if (command.name === applyImport.name) await before()
      return server.run(user, command, input)
    }
    const bytes = Readable.from(buffersOf(source))
    return withStagedFile(database, (staged) =>
      runImport({ files: { database, staged }, run, onProgress: () => {} }, bytes, {
        ...{ mediaType: NDJSON, mode: 'all', dryRun: false, ...job },
        ownerId: id
      })
    )
  }

  const everything = () =>
    direct
      .selectFrom('authors')
      .innerJoin('changes', 'changes.author_number', 'authors.number')
      .selectAll()
      .select(idOfUser('changes.actor_number').as('actor_id'))
      .select(idOfUser('authors.owner_number').as('owner_id'))
      .orderBy('sequence')
      .execute()
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

async function assertConsistent(t: Test, { database, direct, everything }: Importer): Promise<void> {
  for (const { record, id, slug, name } of await everything()) t.match(JSON.parse(record), { id, slug, name })
  const indexed = new Map<number, Set<string>>()
  for (const { number, term } of readFile(database, indexedTerms)) {
    indexed.set(number, (indexed.get(number) ?? new Set()).add(term))
  }
  const rows = await direct.selectFrom('authors').select(['number', 'record']).execute()
  t.equal(indexed.size, rows.length)
  for (const { number, record } of rows)
    t.strictSame(indexed.get(number), new Set(termsOf(JSON.parse(record)).split(' ')))
  t.strictSame(unsoundness(database), [])
}

for (const { title, before, rows, interfere, expected, slugs } of INTERFERENCES) {
  t.test(`what is imported fits what others write meanwhile: ${title}`, async (t) => {
    for (const when of ['while rows are staged', 'before they are applied']) {
      const importer = await openImporter(t)
      const { server, user, direct, importRows } = importer
      for (const content of before) await create(content)(server, user)
      async function* source() {
        yield ndjson([...rows, ...authors(FILLERS)])
        if (when === 'while rows are staged') await interfere(server, user)
      }
      const atTheEnd = async () => void (await interfere(server, user))
      const result = await importRows(source(), {}, when === 'while rows are staged' ? noop : atTheEnd)
      t.match(result, expected, when)
      const namesakes = await direct
        .selectFrom('authors')
        .select('slug')
        .where('name', '=', AUTHOR.name)
        .execute()
      if (slugs) t.strictSame(namesakes.map(({ slug }) => slug).sort(), slugs, when)
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

t.test('rows that are staged become what they would become when written one after the other', async (t) => {
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
    t.strictSame(readFile(one.database, indexedTerms), readFile(other.database, indexedTerms))
    await assertConsistent(t, one)
  }
  t.ok(applied > 500)
})

t.test(
  'authors of an import are in the log in the order of their rows, each with the time of its id',
  async (t) => {
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
  }
)

t.test('who may write no more when the rows are staged imports nothing', async (t) => {
  const { direct, importRows } = await openImporter(t)
  const logOut = async () => {
    await direct.updateTable('sessions').set({ ended_at: new Date().toISOString() }).execute()
  }
  await t.rejects(importRows([ndjson([AUTHOR])], {}, logOut), { code: 'INVALID_TOKEN' })
  t.strictSame(await direct.selectFrom('authors').select('id').execute(), [])
  await t.rejects(importRows([ndjson([AUTHOR])], { dryRun: true }), { code: 'INVALID_TOKEN' })
})

t.test('others write while an import runs, and nothing of it stays beside the database', async (t) => {
  const { server, url } = await listen(t)
  const { headers } = await signIn(server)
  const folder = path.dirname(databaseFile(server.config.DATABASE_URL))
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
  t.ok(waits.length > 50 && p99 < 1000, `${waits.length} others came in between, p99 ${p99} ms`)
  t.strictSame(readdirSync(folder).sort(), before)
})

t.test('what a crash has left of an import is deleted at the next start', async (t) => {
  const server = await buildApp(t)
  const file = `${databaseFile(server.config.DATABASE_URL)}.staged-x`
  for (const name of [file, `${file}-journal`]) writeFileSync(name, 'x')
  await server.listen({ host: '127.0.0.1', port: 0 })
  t.strictSame(
    readdirSync(path.dirname(file)).filter((name) => name.includes('staged')),
    []
  )
})

const ROWS = 8000

/** When the process is killed: at a progress, or so long after the last one. */
const KILLS = [{ rows: 4000 }, { after: 0 }, { after: 200 }]

t.test('a killed import leaves all or nothing', async (t) => {
  const variables = { DATABASE_URL: '' }
  for (const kill of KILLS) {
    const server = await startServer(t)
    variables.DATABASE_URL = path.join(server.folder, 'library.db')
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
    t.strictSame(
      readdirSync(server.folder).filter((name) => name.includes('staged')),
      []
    )
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

t.test('a staged file that cannot be opened makes the database unavailable, and nothing else', async (t) => {
  const { server, user } = await openImporter(t)
  const apply = server.run(user, applyImport, { staged: temporaryFolder(t), since: 0 })
  t.ok(isUnavailable(await apply.catch((error) => error)))
  await server.checkDatabase()
})
