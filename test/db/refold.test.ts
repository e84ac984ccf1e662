// On SQLite alone: a migration from before the other engine was there.
/** The migration that folds what is there by the rule of this version. */
import { execFile, spawn } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { keysOf } from '../../db/authors/table.ts'
import { termsOf } from '../../db/authors/words.ts'
import { migrateDown, migrateToLatest } from '../../db/dialect.ts'
import type { Migrating } from '../../db/sqlite/rebuild/progress.ts'
import type { FoundSame } from '../../db/sqlite/upkeep/migrating.ts'
import { foldText } from '../../db/text.ts'
import { rebuildUp } from '../../migrations/0014-lean-rows.ts'
import { createKeyFile } from '../../plugins/signing-keys/key-file.ts'
import { newKey } from '../../plugins/signing-keys/key-set.ts'
import { indexedTerms } from '../../scripts/crash/indexed-terms.ts'
import { contentsOf } from '../../scripts/migration/contents.ts'
import { makeOldDatabase, oldFold } from '../../scripts/migration/old-database.ts'
import { buildApp, ROOT, signIn, startServer, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)
const PEOPLE = '0015-people'
const REFOLD = '0016-refold'

/** Written over what the old database has, in the order of creation; those with one number are the same by the rule of today. */
const TEXTS: [name: string, book: string, pair?: number][] = [
  ['Łucja Świt', "L'Aube", 1],
  ['Lucja Swit', 'L’Aube', 1],
  ['Børge Holm', 'Ende – Anfang', 2],
  ['Erin O’Sample', 'One'],
  ["Erin O'Sample", 'Two'],
  ['LUCJA ŚWIT', 'L`Aube', 1],
  ['Borge Holm', 'Ende - Anfang', 2],
  ['نُورَة', 'كتـاب'],
  ['Пётр Гри́б', 'Obʺezd'],
  ['Пастернак', 'Чай']
]
const AUTHORS = 700

const folder = temporaryFolder(t)
const original = path.join(folder, 'original.db')
t.before(async () => {
  await makeOldDatabase(original, { authors: AUTHORS, users: 4, changesAnAuthor: 1 })
  await migrateToLatest(original, { upTo: PEOPLE })
  spoil(original, TEXTS)
})

/** Writes the texts as a service before this rule has kept them. */
function spoil(file: string, texts: readonly (readonly [string, string, number?])[]): void {
  const database = new Sqlite(file)
  const rows = database.prepare('select number, record from authors order by number').all() as Stored[]
  const setKeys = database.prepare(
    'update authors set name_key = ?, book_key = ?, sort_key = ?, record = ? where number = ?'
  )
  const setWords = database.prepare('update author_words set words = ? where rowid = ?')
  for (const [index, [name, book]] of texts.entries()) {
    const { number, record: json } = rows[index] as Stored
    const sort_name = index % 2 === 0 ? `Ø. ${name}` : null
    const record = { ...JSON.parse(json), name, book, sort_name }
    const sort_key = sort_name === null ? null : oldFold(sort_name)
    setKeys.run(oldFold(name), oldFold(book), sort_key, JSON.stringify(record), number)
    const { country, booker_prize } = record
    setWords.run(
      rebuildUp.functions.terms(`${name} ${sort_name ?? ''}`, book, country, Number(booker_prize)),
      BigInt(number)
    )
  }
  database.close()
}

interface Stored {
  number: number
  slug: string
  name_key: string
  book_key: string
  sort_key: string | null
  record: string
}

function copyOf(t: Test, source = original): string {
  const file = path.join(temporaryFolder(t), 'library.db')
  copyFileSync(source, file)
  return file
}

function rowsOf(file: string): Stored[] {
  const database = new Sqlite(file, { readonly: true })
  const rows = database.prepare('select * from authors order by number').all() as Stored[]
  database.close()
  return rows
}

async function migrate(file: string) {
  const events: FoundSame[] = []
  const applied = await migrateToLatest(file, { upTo: REFOLD, tellSame: (event) => events.push(event) })
  return { applied, events }
}

t.test('afterwards all is as the service would write it now', async (t) => {
  const file = copyOf(t)
  const before = rowsOf(file)
  const { applied } = await migrate(file)
  t.same(applied, [{ direction: 'up', migration: REFOLD }])
  const after = rowsOf(file)
  t.same(
    after.map(({ slug, record }) => [slug, record]),
    before.map(({ slug, record }) => [slug, record]),
    'addresses and answers are as they were'
  )
  for (const row of after) {
    const author: AuthorRecord = JSON.parse(row.record)
    const { name_key, book_key } = keysOf(author)
    if (row.name_key !== name_key || row.book_key.split('\ue004')[0] !== book_key) t.fail(row.slug)
    if (row.sort_key !== (author.sort_name === null ? null : foldText(author.sort_name))) t.fail(row.slug)
  }
  t.equal(before[0]?.sort_key, 'ø. łucja swit')
  t.equal(after[0]?.sort_key, 'o. lucja swit')
  t.same(wordsOfIndex(file), expectedWords(after))
  const database = new Sqlite(file)
  t.equal(database.pragma('integrity_check', { simple: true }), 'ok')
  database.close()
})

function wordsOfIndex(file: string): string[] {
  const database = new Sqlite(file)
  const terms = indexedTerms(database).map(({ term, number }) => `${number} ${term}`)
  database.close()
  return terms.sort()
}

function expectedWords(rows: Stored[]): string[] {
  const entries = rows.flatMap(({ number, record }) =>
    termsOf(JSON.parse(record))
      .split(' ')
      .map((term) => `${number} ${term}`)
  )
  return entries.sort()
}

t.test('of authors that have become the same all are kept, and the pairs are told', async (t) => {
  const file = copyOf(t)
  const before = rowsOf(file)
  const slug = (index: number) => `/authors/${encodeURIComponent(before[index]?.slug as string)}`
  const { events } = await migrate(file)
  const pairs = [
    [slug(0), slug(1)],
    [slug(0), slug(5)],
    [slug(2), slug(6)]
  ]
  t.same(events, [{ event: 'same_authors', migration: REFOLD, count: 3, pairs }])
  t.equal(rowsOf(file).length, before.length)
  const keys = rowsOf(file).map(({ name_key, book_key }) => `${name_key} ${book_key}`)
  t.equal(keys[0], 'lucja swit laube')
  t.equal(keys[2], 'borge holm ende - anfang')
  for (const later of [1, 5, 6]) t.ok(keys[later]?.endsWith(JSON.parse(before[later]?.record as string).id))
})

t.test('whoever comes first has the keys, also when another has them already', async (t) => {
  const file = copyOf(t)
  spoil(file, [
    ['Ægir', 'Same'],
    ['Aegir', 'Same'],
    ['Aegir', 'Sa-me\ue004']
  ])
  const [first, later] = rowsOf(file) as [Stored, Stored]
  const { id } = JSON.parse(later.record)
  const database = new Sqlite(file)
  const squat = database.prepare('update authors set book_key = ? where name_key = ? and book_key like ?')
  squat.run(`same\ue004${id}`, 'aegir', 'sa-me%')
  database.close()
  await migrate(file)
  const [one, two, three] = rowsOf(file) as [Stored, Stored, Stored]
  t.same([one.name_key, one.book_key], ['aegir', 'same'])
  t.same([two.name_key, two.book_key.replaceAll(id, 'id')], ['aegir', 'same\ue004id\ue004id'])
  t.equal(three.book_key, 'sa-me', 'what only looked like such a key is none')
  t.equal(one.slug, first.slug)
})

t.test('the way back gives what there was, row for row', async (t) => {
  const file = copyOf(t)
  const [before, words] = [contentsOf(file), wordsOfIndex(file)]
  await migrate(file)
  t.not(contentsOf(file).authors, before.authors)
  t.same(await migrateDown(file, {}), [{ direction: 'down', migration: REFOLD }])
  const { author_words_data, author_words_idx, kysely_migration, ...rows } = contentsOf(file)
  t.match(before, rows)
  t.same(wordsOfIndex(file), words)
  t.match((await migrate(file)).events, [{ count: 3 }])
})

t.test('it tells how far it is, and when it is ended, nothing has happened', async (t) => {
  const file = copyOf(t)
  const events: Migrating[] = []
  await migrateToLatest(file, { tell: (event) => events.push(event), tellEveryMs: 0 })
  const last = rowsOf(file).at(-1)?.number
  t.match(events, [
    { event: 'migrating', migration: REFOLD, step: 'authors', done: last, of: last, percent: 100 }
  ])

  const other = copyOf(t)
  const before = contentsOf(other)
  const tell = () => {
    throw new Error('ended')
  }
  await t.rejects(migrateToLatest(other, { tell, tellEveryMs: 0 }), { message: 'ended' })
  t.same(contentsOf(other), before)
})

t.test('a migration that is killed is done at the next start', async (t) => {
  const reference = copyOf(t)
  await migrate(reference)
  const file = copyOf(t)
  const program = `
    const { migrateToLatest } = await import('./db/dialect.ts')
    await migrateToLatest(process.argv[1], { upTo: '${REFOLD}', tell: () => { console.log('half'); for (;;); }, tellEveryMs: 0 })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, file], { cwd: ROOT })
  for await (const line of createInterface({ input: child.stdout })) {
    t.equal(line, 'half')
    child.kill('SIGKILL')
  }
  t.equal(rowsOf(file)[0]?.name_key, oldFold(TEXTS[0]?.[0] as string))
  await migrate(file)
  t.same(contentsOf(file).authors, contentsOf(reference).authors)
  t.same(wordsOfIndex(file), wordsOfIndex(reference))
})

t.test('the start and the command tell which authors are the same, and what to do', async (t) => {
  const file = copyOf(t)
  const env = { ...process.env, DATABASE_URL: file }
  const { stdout } = await run(process.execPath, ['scripts/migrate.ts', 'latest'], { cwd: ROOT, env })
  t.match(
    stdout,
    /0016-refold {2}3 authors have become the same as another.* All were kept\. Compare each pair/
  )
  t.equal(stdout.match(/^ {2}\/authors\/\S+ {2}\/authors\/\S+$/gm)?.length, 3)
  const again = await run(process.execPath, ['scripts/migrate.ts', 'latest'], { cwd: ROOT, env })
  t.equal(again.stdout, 'nothing to do\n')

  const { output } = await startServer(t, { DATABASE_URL: copyOf(t) })
  const lines = output()
    .split('\n')
    .filter((line) => line.includes('"same_authors"'))
  t.match(
    lines.map((line) => JSON.parse(line)),
    [{ level: 40, event: 'same_authors', count: 3, msg: /have become the same as others.*delete one/ }]
  )
})

t.test('many pairs are counted, and twenty are named', async (t) => {
  const file = copyOf(t)
  const texts = Array.from(
    { length: 25 },
    (_, i) =>
      [
        [`Ø ${i}`, 'B'],
        [`o ${i}`, 'b']
      ] as [string, string][]
  )
  spoil(file, texts.flat())
  const { events } = await migrate(file)
  t.equal(events[0]?.count, 25)
  t.equal(events[0]?.pairs.length, 20)
})

t.test('authors that are the same can be changed, and told apart by hand', async (t) => {
  const file = copyOf(t)
  await migrate(file)
  createKeyFile(`${file}.keys.json`, [newKey(new Date())])
  const server = await buildApp(t, { DATABASE_URL: file })
  const { headers, id: me } = await signIn(server, 'librarian')
  const database = new Sqlite(file)
  database.exec(`update users set role = 'admin' where id = '${me}'`)
  database.close()
  const slugs = rowsOf(file).map(({ slug }) => encodeURIComponent(slug))
  const keys = () =>
    rowsOf(file).map(
      ({ name_key, book_key }) => `${name_key}|${book_key.split('\ue004')[0]}|${book_key.includes('\ue004')}`
    )
  const patch = (slug: string | undefined, payload: object) =>
    server.inject({
      method: 'PATCH',
      url: `/authors/${slug}`,
      headers: { ...headers, 'content-type': 'application/merge-patch+json' },
      payload: JSON.stringify(payload)
    })
  const create = (name: string, book: string) =>
    server.inject({ method: 'POST', url: '/authors', headers, payload: { name, book } })

  const noted = await patch(slugs[1], { note: 'the later one', birth_year: 1950 })
  t.equal(noted.statusCode, 200)
  t.equal((await patch(slugs[1], { name: 'LUCJA SWIT' })).statusCode, 200, 'in the same letters')
  t.equal(keys()[1], 'lucja swit|laube|true', 'it keeps its own keys')
  t.match((await patch(slugs[1], { book: 'L’Aube, II' })).json(), { book: 'L’Aube, II' })
  t.equal(keys()[1], 'lucja swit|laube, ii|false')
  t.equal((await patch(slugs[1], { book: 'L’aube' })).json().code, 'AUTHOR_EXISTS')

  t.equal((await create('łucja świt', 'laube')).statusCode, 409)
  t.equal((await server.inject({ method: 'DELETE', url: `/authors/${slugs[0]}`, headers })).statusCode, 204)
  t.equal(
    rowsOf(file).find(({ slug }) => encodeURIComponent(slug) === slugs[5])?.book_key,
    'laube',
    'the next has the keys now'
  )
  t.equal((await create('łucja świt', 'laube')).statusCode, 409)
  const restored = await server.inject({ method: 'POST', url: `/authors/${slugs[0]}/restore`, headers })
  t.equal(restored.json().code, 'AUTHOR_EXISTS')

  t.equal((await patch(slugs[2], { book: 'Mitte' })).statusCode, 200)
  t.equal(rowsOf(file).find(({ slug }) => encodeURIComponent(slug) === slugs[6])?.book_key, 'ende - anfang')
  t.equal((await server.inject({ method: 'DELETE', url: `/authors/${slugs[6]}`, headers })).statusCode, 204)
  t.equal((await create('Borge Holm', 'ENDE – anfang')).statusCode, 201)
})
