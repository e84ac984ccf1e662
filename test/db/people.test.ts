// On SQLite alone: a migration from before the other engine was there.
import { copyFileSync } from 'node:fs'
import path from 'node:path'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { migrateDown, migrateToLatest } from '../../db/dialect.ts'
import type { Migrating } from '../../db/sqlite/rebuild/progress.ts'
import { createKeyFile } from '../../plugins/signing-keys/key-file.ts'
import { newKey } from '../../plugins/signing-keys/key-set.ts'
import { contentsOf } from '../../scripts/migration/contents.ts'
import { makeOldDatabase } from '../../scripts/migration/old-database.ts'
import { buildApp, signIn, temporaryFolder } from '../helpers.ts'

const LEAN = '0014-lean-rows'
const PEOPLE = '0015-people'
const AUTHORS = 2500

// biome-ignore lint/suspicious/noExplicitAny: rows of any table
type Row = Record<string, any>

const original = path.join(temporaryFolder(t), 'original.db')
t.before(async () => {
  await makeOldDatabase(original, { authors: AUTHORS, users: 12 })
  await migrateToLatest(original, { upTo: LEAN })
})

/** A copy of the database before the migration, of the test's own. */
function leanDatabase(t: Test): string {
  const file = path.join(temporaryFolder(t), 'library.db')
  copyFileSync(original, file)
  return file
}

const up = (file: string, options: object = {}) => migrateToLatest(file, { ...options, upTo: PEOPLE })

function rowsOf(file: string, query: string): Row[] {
  const database = new Sqlite(file)
  try {
    return database.prepare(query).all() as Row[]
  } finally {
    database.close()
  }
}

function run(file: string, statements: string): void {
  const database = new Sqlite(file)
  try {
    database.exec(statements)
  } finally {
    database.close()
  }
}

/** Writes into an author's JSON, and into what is computed of it. */
function setIn(file: string, number: number, fields: Row): void {
  const database = new Sqlite(file)
  const select = database.prepare('select record from authors where number = ?').pluck()
  const record = { ...JSON.parse(select.get(number) as string), ...fields }
  const update = database.prepare(
    'update authors set record = ?, viaf = ?, sort_key = lower(?) where number = ?'
  )
  update.run(JSON.stringify(record), record.identifiers.viaf, record.sort_name, number)
  database.close()
}

const AUTHORS_QUERY = 'select * from authors order by number'
const CHANGES_QUERY = 'select * from changes order by sequence'

t.test('every author gets a sort name that is unknown, and nothing else changes', async (t) => {
  const file = leanDatabase(t)
  const [authors, changes] = [rowsOf(file, AUTHORS_QUERY), rowsOf(file, CHANGES_QUERY)]
  t.same(await up(file), [{ direction: 'up', migration: PEOPLE }])
  const expected = authors.map(({ record, ...row }) => ({
    ...row,
    record: record.replace(/}$/, ',"sort_name":null}'),
    sort_key: null,
    sort_name: null,
    name_order: row.name_key
  }))
  t.same(rowsOf(file, AUTHORS_QUERY), expected)
  t.same(rowsOf(file, CHANGES_QUERY), changes, 'the past is as it was written')
  const plan = rowsOf(
    file,
    'explain query plan select number from authors order by name_order, number limit 9'
  )
  t.match(plan, [{ detail: /using index authors_name/i }])
})

t.test('every answer has a sort name afterwards, those about the past too', async (t) => {
  const file = leanDatabase(t)
  const [before] = rowsOf(file, "select before from changes where operation = 'patched' limit 1")
  const [gone] = rowsOf(
    file,
    `select deleted_slug from changes where operation = 'deleted'
    and author_number not in (select number from authors) order by sequence desc limit 1`
  )
  const [there] = rowsOf(file, 'select id, version from authors limit 1')
  createKeyFile(`${file}.keys.json`, [newKey(new Date())])
  const server = await buildApp(t, { DATABASE_URL: file })
  const { headers, id } = await signIn(server, 'librarian')
  run(file, `update users set role = 'admin' where id = '${id}'`)
  const get = async (url: string) => (await server.inject({ url, headers })).json()
  const isNamed = (author: AuthorRecord) => author.sort_name === null

  const page = await get('/authors?sort=name&limit=100')
  t.ok(page.data.length === 100 && page.data.every(isNamed))
  const { data } = await get('/changes?limit=100')
  t.ok(data.length === 100 && data.every(({ record }: Row) => record === null || isNamed(record)))
  const { id: changed } = JSON.parse(before?.before)
  t.ok((await get(`/authors/${changed}/history`)).data.every(({ record }: Row) => !record || isNamed(record)))
  t.equal((await get(`/authors/${changed}?version=1`)).sort_name, null)
  const one = await server.inject({ url: `/authors/${there?.id}`, headers })
  t.equal(one.headers.etag, `"${there?.id.slice(-12)}.${there?.version}"`)
  t.equal(one.json().sort_name, null)
  const restored = await server.inject({
    method: 'POST',
    url: `/authors/${gone?.deleted_slug}/restore`,
    headers
  })
  t.equal(restored.statusCode, 201)
  t.equal(restored.json().sort_name, null)
  t.equal((await get(`/authors/${restored.json().id}`)).sort_name, null)
})

t.test('the way back gives what there was, row for row', async (t) => {
  const file = leanDatabase(t)
  const before = contentsOf(file)
  await up(file)
  t.not(contentsOf(file).schema, before.schema)
  t.same(await migrateDown(file, {}), [{ direction: 'down', migration: PEOPLE }])
  t.same(contentsOf(file), before)
  await up(file)
  t.same(await migrateDown(file, {}), [{ direction: 'down', migration: PEOPLE }])
})

t.test('the way back refuses what the schema before cannot hold, and says how much', async (t) => {
  const file = leanDatabase(t)
  await up(file)
  setIn(file, 3, { book: null, country: null })
  setIn(file, 4, { country: null })
  const identifiers = { viaf: '77', isni: null, wikidata: null, openlibrary: null }
  for (const number of [10, 11, 12]) setIn(file, number, { identifiers })
  const before = contentsOf(file)
  await t.rejects(migrateDown(file, {}), {
    message: /cannot hold.* nothing was changed\. 2 have no book or no country: .*; 3 share an identifier: /
  })
  t.same(contentsOf(file), before)

  for (const number of [3, 4]) setIn(file, number, { book: 'Known', country: 'Known' })
  await t.rejects(migrateDown(file, {}), { message: /nothing was changed\. 3 share an identifier/ })
  const none = { viaf: null, isni: null, wikidata: null, openlibrary: null }
  for (const number of [10, 12]) setIn(file, number, { identifiers: none })
  t.same(await migrateDown(file, {}), [{ direction: 'down', migration: PEOPLE }])
  t.match(rowsOf(file, "select count(*) as count from authors where viaf = '77'"), [{ count: 1 }])
})

t.test(
  'a sort name outlives the way back, and what was unknown in the past is an empty text there',
  async (t) => {
    const file = leanDatabase(t)
    await up(file)
    setIn(file, 5, { sort_name: 'Sólo,  Ángel' })
    const past = `json_set(before, '$.book', null, '$.country', null, '$.sort_name', null)`
    run(
      file,
      `update changes set before = ${past} where sequence = (select max(sequence) from changes where before is not null)`
    )
    await migrateDown(file, {})
    const last = JSON.parse(
      rowsOf(file, 'select before from changes where before is not null order by sequence desc limit 1')[0]
        ?.before
    )
    t.match(last, { book: '', country: '' })
    t.notOk('sort_name' in last)
    t.equal(
      rowsOf(file, "select count(*) as count from authors where record like '%sort_name%'")[0]?.count,
      1
    )
    await up(file)
    t.match(rowsOf(file, 'select sort_name, sort_key, name_order from authors where number = 5'), [
      { sort_name: 'Sólo,  Ángel', sort_key: 'solo, angel', name_order: 'solo, angel' }
    ])
    t.equal(
      rowsOf(file, "select count(*) as count from authors where json_type(record, '$.sort_name') is null")[0]
        ?.count,
      0
    )
  }
)

t.test('it tells how far it is, and when it is ended, nothing has happened', async (t) => {
  const file = leanDatabase(t)
  const before = contentsOf(file)
  const events: Migrating[] = []
  for (const [work, direction] of [
    [up, 'up'],
    [migrateDown, 'down']
  ] as const) {
    events.length = 0
    await work(file, { tell: (event: Migrating) => events.push(event), tellEveryMs: 0 })
    t.ok(events.length > 10, direction)
    t.ok(events.every(({ event, migration }) => event === 'migrating' && migration === PEOPLE))
    const percents = events.map(({ percent }) => percent)
    t.same(
      percents,
      percents.toSorted((a, b) => a - b)
    )
    t.match(events[0], { percent: 0, secondsLeft: undefined })
    t.ok((events.at(-1)?.secondsLeft as number) >= 0)
    t.ok(events.some(({ done, of }) => done === 0 && of === rowsOf(file, AUTHORS_QUERY).at(-1)?.number))
  }
  let left = 12
  const tell = () => {
    left -= 1
    if (left === 0) throw new Error('ended')
  }
  await t.rejects(up(file, { tell, tellEveryMs: 0 }), { message: 'ended' })
  t.same(contentsOf(file), before)
  const none: Migrating[] = []
  await up(file, { tell: (event: Migrating) => none.push(event) })
  t.same(none, [], 'what is done within seconds is not told')
})
