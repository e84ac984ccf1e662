// On SQLite alone: a migration from before the other engine was there.
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import { openDatabase } from '../../db/database.ts'
import { migrateDown, migrateToLatest, openForMigrations } from '../../db/dialect.ts'
import { createMigrator, migrateToLatest as migrateEmpty, resultsOf } from '../../db/migrator.ts'
import { PAGE_BYTES } from '../../db/sqlite/open.ts'
import type { Migrating } from '../../db/sqlite/rebuild/progress.ts'
import { replaceFile } from '../../db/sqlite/rebuild/replacing.ts'
import { contentsOf, schemaOf, tablesOf } from '../../scripts/migration/contents.ts'
import { makeOldDatabase, oldFold, wordsOfAuthor } from '../../scripts/migration/old-database.ts'
import { OPERATIONS } from '../../scripts/migration/old-log.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)
const OLD = '0013-create-account-deletions'
const LEAN = '0014-lean-rows'
const SIZES = { authors: 600, users: 12 }

// biome-ignore lint/suspicious/noExplicitAny: rows of any table
type Row = Record<string, any>

const folder = temporaryFolder(t)
const original = path.join(folder, 'original.db')
t.before(() => makeOldDatabase(original, SIZES))

/** A copy of the old database, of the test's own. */
function oldDatabase(t: Test): string {
  const file = path.join(temporaryFolder(t), 'library.db')
  copyFileSync(original, file)
  return file
}

/** All rows of all tables. */
function readAll(file: string): Record<string, Row[]> {
  const database = new Sqlite(file, { readonly: true })
  const entries = tablesOf(database)
    .filter((table) => table !== 'author_words' || !isLean(database))
    .map((table) => [table, database.prepare(`select * from ${table} order by 1, 2`).all() as Row[]])
  database.close()
  return Object.fromEntries(entries)
}

function isLean(database: Sqlite.Database): boolean {
  return database.prepare('select 1 from kysely_migration where name = ?').get(LEAN) !== undefined
}

/** No further, whatever migrations have come since. */
const migrateToLean = (file: string, options: Parameters<typeof migrateToLatest>[1]) =>
  migrateToLatest(file, { ...options, upTo: LEAN })

t.test('the generated database has all that a log can have', async (t) => {
  const { changes = [], authors = [], users = [], sessions = [], account_changes = [] } = readAll(original)
  for (const operation of OPERATIONS) t.ok(changes.some((change) => change.operation === operation))
  t.ok(changes.some(({ operation, version }) => operation === 'created' && version === 3))
  const deleted = changes.filter(({ deleted_slug }) => deleted_slug !== null)
  t.ok(deleted.some(({ deleted_slug }) => authors.some(({ slug }) => slug === deleted_slug)))
  t.ok(changes.some(({ actor_id }) => !users.some(({ id }) => id === actor_id)))
  t.ok(changes.some(({ author_id }) => !authors.some(({ id }) => id === author_id)))
  t.ok(sessions.some(({ ended_at }) => ended_at !== null))
  t.ok(account_changes.length > 0)
})

t.test('every row is there in the lean layout, and says the same', async (t) => {
  const file = oldDatabase(t)
  const old = readAll(file) as Record<'users' | 'changes' | 'authors' | string, Row[]>
  const oldSequences = sequencesOf(file)
  t.same(await migrateToLean(file, {}), [{ direction: 'up', migration: LEAN }])
  const lean = readAll(file)
  const database = new Sqlite(file, { readonly: true })
  t.teardown(() => database.close())
  const { users, changes, authors } = old as { users: Row[]; changes: Row[]; authors: Row[] }

  const authorIds = [
    ...new Set([...changes.map((row) => row.author_id), ...authors.map(({ id }) => id)])
  ].sort()
  const userIds = users.map(({ id }) => id).sort()
  const actors = [...changes, ...(old.account_deletions ?? [])].map(({ actor_id }) => actor_id)
  const formerIds = [...new Set(actors)].filter((id) => id !== null && !userIds.includes(id)).sort()
  const authorNumber = (id: string) => authorIds.indexOf(id) + 1
  const userNumber = (id: string | null) => (id === null ? null : [...userIds, ...formerIds].indexOf(id) + 1)

  t.test('users', async (t) => {
    t.same(
      lean.users,
      users.map((user) => ({ number: userNumber(user.id), ...user }))
    )
    t.same(
      lean.former_users,
      formerIds.map((id) => ({ number: userNumber(id), id }))
    )
    t.ok(formerIds.length > 0)
    for (const table of ['sessions', 'api_keys', 'idempotency_keys']) {
      const expected = old[table]?.map(({ user_id, ...row }) => ({
        ...row,
        user_number: userNumber(user_id)
      }))
      t.same(lean[table], expected, table)
    }
    const resets = old.password_resets?.map(({ user_id, ...row }) => ({
      user_number: userNumber(user_id),
      ...row
    }))
    t.same(byUser(lean.password_resets), byUser(resets))
    t.same(
      lean.account_deletions,
      old.account_deletions?.map(({ user_id, actor_id, begun_at }) => ({
        user_number: userNumber(user_id),
        actor_number: userNumber(actor_id),
        begun_at
      }))
    )
    for (const table of ['account_changes', 'rate_limits']) t.same(lean[table], old[table], table)
  })

  t.test('authors', async (t) => {
    const expected = authors.map(({ country_key, words, owner_id, ...author }) => ({
      ...author,
      number: authorNumber(author.id),
      owner_number: userNumber(owner_id)
    }))
    const actual = database
      .prepare(`select ${Object.keys(expected[0] as Row)} from authors order by number`)
      .all()
    t.same(actual, expected)
  })

  t.test('the log', async (t) => {
    const rows = database.prepare('select * from changes order by sequence').all() as Row[]
    t.same(
      rows.map(({ before, deleted_id, ...row }) => row),
      changes.map(({ author_id, actor_id, record, ...row }) => ({
        ...row,
        author_number: authorNumber(author_id),
        actor_number: userNumber(actor_id)
      }))
    )
    const recordsOf = new Map(rows.map((row) => [`${row.author_number} ${row.version}`, row.before]))
    const present = new Map(
      authors.map(({ id, version, record }) => [`${authorNumber(id)} ${version}`, record])
    )
    for (const { author_id, version, operation, record } of changes) {
      const number = authorNumber(author_id)
      const next = recordsOf.get(`${number} ${version + 1}`)
      const answer = next ?? present.get(`${number} ${version}`) ?? null
      if (answer !== record) t.fail(`version ${version} of ${author_id}, ${operation}`)
    }
    for (const { operation, before, deleted_id, author_number } of rows) {
      if (['created', 'restored'].includes(operation) !== (before === null)) t.fail(`before of ${operation}`)
      const id = operation === 'deleted' ? authorIds[author_number - 1] : null
      if (deleted_id !== id) t.fail('the id of a deleted author')
    }
  })

  t.test('words', async (t) => {
    const find = database
      .prepare('select rowid from author_words where author_words match ? order by rowid')
      .pluck()
    const numbersWith = (has: (author: Row) => boolean) =>
      authors.filter(has).map(({ id }) => authorNumber(id))
    const words = Map.groupBy(old.author_words as Row[], ({ word }) => word)
    t.ok(words.size > 500)
    for (const [word, rows] of words) {
      const expected = rows.map(({ author_id }) => authorNumber(author_id)).sort((a, b) => a - b)
      if (String(find.all(`"${word}"`)) !== String(expected)) t.fail(`authors with the word ${word}`)
    }
    for (const country of new Set(authors.map((author) => author.country_key))) {
      const token = country.replace(
        /[^\p{L}\p{M}\p{N}]/gu,
        (c: string) => `\uE001${c.codePointAt(0)?.toString(16)}\uE002`
      )
      const expected = numbersWith((author) => author.country_key === country)
      if (String(find.all(`"\uE000${token}"`)) !== String(expected)) t.fail(`authors of ${country}`)
    }
    t.same(
      find.all('"\uE003"'),
      numbersWith((author) => author.booker_prize === 1)
    )
    const begin = (prefix: string) =>
      numbersWith((author) => wordsOfAuthor(author as never).some((word) => word.startsWith(prefix)))
    for (const prefix of ['s', 'st', 'mid', 'г', oldFold('村')])
      t.same(find.all(`"${prefix}" *`), begin(prefix))
    database.exec('drop table if exists temp.terms')
  })

  t.test('what numbers come next, and how the file is', async (t) => {
    const { changes: lastChange, ...others } = oldSequences
    t.same(sequencesOf(file), { ...others, users: userIds.length + formerIds.length })
    t.equal(database.prepare('select max(sequence) from changes').pluck().get(), lastChange)
    t.equal(statSync(file).mode & 0o777, 0o600)
    for (const suffix of ['-migrating', '-migrating-journal', '-journal']) t.notOk(existsSync(file + suffix))
    t.equal(database.pragma('application_id', { simple: true }), 0x4c696241)
    const empty = path.join(temporaryFolder(t), 'empty.db')
    await migrateToLean(empty, {})
    const other = new Sqlite(empty)
    t.same(schemaOf(database), schemaOf(other))
    other.close()
  })
})

function byUser(rows: Row[] = []): Row[] {
  return rows.toSorted((a, b) => a.user_number - b.user_number)
}

function sequencesOf(file: string): Record<string, number> {
  const database = new Sqlite(file, { readonly: true })
  const rows = database.prepare('select name, seq from sqlite_sequence').all() as {
    name: string
    seq: number
  }[]
  database.close()
  return Object.fromEntries(rows.map(({ name, seq }) => [name, seq]))
}

t.test('the way back gives what there was, row for row', async (t) => {
  const file = oldDatabase(t)
  const before = contentsOf(file)
  await migrateToLean(file, {})
  t.not(contentsOf(file).schema, before.schema)
  t.same(await migrateDown(file, {}), [{ direction: 'down', migration: LEAN }])
  t.same(contentsOf(file), before)
  t.same(readAll(file), { ...readAll(original), kysely_migration: readAll(file).kysely_migration })
  t.same(await migrateToLean(file, {}), [{ direction: 'up', migration: LEAN }])
})

t.test('without rows the schema is the same, there and back', async (t) => {
  const [file, other] = ['library.db', 'other.db'].map((name) => path.join(temporaryFolder(t), name)) as [
    string,
    string
  ]
  for (const name of [file, other]) {
    const db = openForMigrations(name)
    resultsOf(await createMigrator(db).migrateTo(OLD))
    await db.destroy()
  }
  t.same(await migrateToLean(file, {}), [{ direction: 'up', migration: LEAN }])
  t.same(await migrateDown(file, {}), [{ direction: 'down', migration: LEAN }])
  // Without changes no table says which number the last one had.
  t.same({ ...contentsOf(file), sqlite_sequence: '' }, { ...contentsOf(other), sqlite_sequence: '' })
})

t.test('in place no row is lost', async (t) => {
  const file = oldDatabase(t)
  const db = openForMigrations(file)
  await t.rejects(migrateEmpty(db), { message: /has rows, which this would lose/ })
  await db.destroy()
  t.same(contentsOf(file), contentsOf(original))
  await migrateToLean(file, {})
  const lean = openForMigrations(file)
  await t.rejects(async () => resultsOf(await createMigrator(lean).migrateDown()), { message: /has rows/ })
  await lean.destroy()
})

t.test('an older database gets to the schema before in place', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = openForMigrations(file)
  resultsOf(await createMigrator(db).migrateTo('0012-create-account-changes'))
  await sql`insert into users (id, username, username_key, password_hash, created_at) values ('a', 'b', 'c', 'd', 'e')`.execute(
    db
  )
  await db.destroy()
  const applied = await migrateToLean(file, {})
  t.same(
    applied.map(({ migration }) => migration),
    [OLD, LEAN]
  )
  t.match(readAll(file).users, [{ number: 1, id: 'a' }])
})

t.test('a copy that was ended goes on where it was', async (t) => {
  const file = oldDatabase(t)
  const reference = oldDatabase(t)
  await migrateToLean(reference, {})
  let reached = -1
  let starts = 0
  for (let isDone = false; !isDone && starts < 200; starts++) {
    const places: string[] = []
    const tell = (event: Migrating) => {
      places.push(placeOf(event))
      if (event.percent < reached) t.fail('it went back')
      reached = event.percent
      if (places.length === 3) throw new Error('ended')
    }
    isDone = await migrateToLean(file, { tell, tellEveryMs: 0, sliceMs: 0, leastRows: 50 }).then(
      () => true,
      ({ message }) => {
        t.equal(message, 'ended')
        return false
      }
    )
  }
  t.ok(starts > 10)
  t.same(contentsOf(file), contentsOf(reference))
})

function placeOf({ step, done = 0 }: Migrating): string {
  return `${step} ${done}`
}

/** Ends the migration once it has copied some. */
async function endAfter(t: Test, file: string, events: number): Promise<void> {
  let left = events
  const tell = () => {
    left -= 1
    if (left < 0) throw new Error('ended')
  }
  await t.rejects(migrateToLean(file, { tell, tellEveryMs: 0, sliceMs: 0, leastRows: 50 }), {
    message: 'ended'
  })
  t.ok(existsSync(`${file}-migrating`))
}

t.test('what was copied of another state of the file is not used', async (t) => {
  for (const change of [
    "insert into users select 'x', 'x', 'x', 'x', 'x', 'admin', null, null",
    `insert into changes (author_id, version, actor_id, at, operation, deleted_slug)
    select id, version + 1, null, 'now', 'deleted', slug from authors order by id limit 1;
    delete from author_words where author_id = (select id from authors order by id limit 1);
    delete from authors where id = (select id from authors order by id limit 1)`
  ]) {
    const file = oldDatabase(t)
    await endAfter(t, file, 12)
    const database = new Sqlite(file)
    database.exec(change)
    database.close()
    const reference = path.join(temporaryFolder(t), 'library.db')
    copyFileSync(file, reference)
    const percents: number[] = []
    await migrateToLean(file, { tell: ({ percent }) => percents.push(percent), tellEveryMs: 0 })
    t.equal(percents[0], 0)
    await migrateToLean(reference, {})
    t.same(contentsOf(file), contentsOf(reference))
  }
})

t.test('a half-built file that is damaged is not used', async (t) => {
  const file = oldDatabase(t)
  await endAfter(t, file, 12)
  // All but the first page, where the name of the application stands.
  const bytes = readFileSync(`${file}-migrating`).fill(0xff, PAGE_BYTES)
  writeFileSync(`${file}-migrating`, bytes)
  const percents: number[] = []
  await migrateToLean(file, { tell: ({ percent }) => percents.push(percent), tellEveryMs: 0 })
  t.equal(percents[0], 0)
  t.equal(readAll(file).authors?.length, readAll(original).authors?.length)
})

t.test('what is found damaged while it is copied is copied from the start at the next try', async (t) => {
  const file = oldDatabase(t)
  await endAfter(t, file, 12)
  const bytes = readFileSync(`${file}-migrating`)
  const database = new Sqlite(`${file}-migrating`)
  const root = "select rootpage from sqlite_schema where name = 'authors'"
  const page = database.prepare(root).pluck().get() as number
  database.close()
  writeFileSync(`${file}-migrating`, bytes.fill(0xff, (page - 1) * PAGE_BYTES, page * PAGE_BYTES))
  await t.rejects(migrateToLean(file, {}), { message: /could not be copied \(.*malformed\): try again/ })
  t.notOk(existsSync(`${file}-migrating`))
  t.same(await migrateToLean(file, {}), [{ direction: 'up', migration: LEAN }])
})

t.test('a half-built file that another process holds is left alone', async (t) => {
  const file = oldDatabase(t)
  await endAfter(t, file, 12)
  const other = new Sqlite(`${file}-migrating`)
  other.exec('begin exclusive')
  await t.rejects(migrateToLean(file, {}), { name: 'DatabaseRefused', message: /SQLITE_BUSY/ })
  other.close()
  t.same(await migrateToLean(file, {}), [{ direction: 'up', migration: LEAN }])
})

t.test('a file that cannot be replaced stays as it is', async (t) => {
  const file = oldDatabase(t)
  const folder = temporaryFolder(t)
  t.throws(() => replaceFile(folder, file), {
    name: 'DatabaseRefused',
    message: /cannot be replaced by .*EISDIR/
  })
  t.ok(existsSync(file))
})

t.test('what is copied last may change meanwhile', async (t) => {
  const file = oldDatabase(t)
  await endAfter(t, file, 12)
  const database = new Sqlite(file)
  database.exec("delete from sessions where ended_at is not null; update users set role = 'reader'")
  database.close()
  const old = readAll(file)
  const percents: number[] = []
  await migrateToLean(file, { tell: ({ percent }) => percents.push(percent), tellEveryMs: 0 })
  t.ok((percents[0] as number) > 0)
  const lean = readAll(file)
  t.equal(lean.sessions?.length, old.sessions?.length)
  t.ok(lean.users?.every(({ role }) => role === 'reader'))
  t.same(lean.account_changes, old.account_changes)
})

t.test('who has the file open keeps it as it is', async (t) => {
  const file = oldDatabase(t)
  const other = new Sqlite(file)
  other.prepare('select count(*) from users').get()
  await t.rejects(migrateToLean(file, {}), {
    name: 'DatabaseRefused',
    message: /is in use\. .*end what uses it/
  })
  t.notOk(existsSync(`${file}-migrating`))
  other.prepare("update users set role = 'editor'").run()
  other.close()
  t.same(await migrateToLean(file, {}), [{ direction: 'up', migration: LEAN }])
})

t.test('of processes that start at once one does it, and nobody harms it', async (t) => {
  const file = oldDatabase(t)
  const env = { ...process.env, DATABASE_URL: file }
  const start = () => run(process.execPath, ['scripts/migrate.ts', 'latest'], { cwd: ROOT, env })
  const outcomes = await Promise.allSettled([start(), start(), start()])
  const outputs = outcomes.map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value.stdout : outcome.reason.stderr
  )
  t.equal(outputs.filter((output) => /^up {2}0014-lean-rows$/m.test(output)).length, 1)
  for (const output of outputs)
    t.match(output, /^up {2}\d{4}-|^nothing to do|is in use\.|Another (process|file) .* try again/m)
  const reference = oldDatabase(t)
  await migrateToLatest(reference, {})
  t.same(contentsOf(file), contentsOf(reference))
})

t.test('who comes meanwhile, or was late, cannot write', async (t) => {
  const file = oldDatabase(t)
  const late = new Sqlite(file, { timeout: 0 })
  t.teardown(() => late.close())
  let refusals = 0
  const tell = () => {
    for (const statement of ['select count(*) from users', 'pragma journal_mode = wal']) {
      t.throws(() => late.prepare(statement).get(), { code: 'SQLITE_BUSY' })
      refusals += 1
    }
  }
  await migrateToLean(file, { tell, tellEveryMs: 0 })
  t.ok(refusals > 10)
  for (const statement of ['pragma journal_mode = wal', "update users set role = 'admin'"]) {
    t.throws(() => late.prepare(statement).run(), { code: 'SQLITE_READONLY_DBMOVED' })
  }
  for (const suffix of ['-wal', '-journal']) t.notOk(existsSync(file + suffix))
})

t.test('it does not begin without room, nor over a file that is not ours', async (t) => {
  const file = oldDatabase(t)
  const { rebuild } = await import('../../db/sqlite/rebuild/index.ts')
  const { rebuildUp } = await import('../../migrations/0014-lean-rows.ts')
  const plan = { ...rebuildUp, growth: 1e12 } as never
  t.throws(() => rebuild(file, { migration: LEAN, direction: 'up', plan }), {
    name: 'DatabaseRefused',
    message: /may need \d+ MB .* has \d+ MB left: make room/
  })
  writeFileSync(`${file}-migrating`, 'my notes')
  await t.rejects(migrateToLean(file, {}), { message: /-migrating is not an SQLite database/ })
  t.equal(readFileSync(`${file}-migrating`, 'utf8'), 'my notes')
  t.same(contentsOf(file), contentsOf(original))
})

t.test('a log that does not tell of all authors is refused with a sentence', async (t) => {
  for (const [damage, sentence] of [
    ["update authors set record = json_set(record, '$.note', 'x') where rowid = 5", /not what the log says/],
    [
      'delete from changes where author_id = (select id from authors order by id limit 1)',
      /not what the log says/
    ],
    ["delete from changes where operation = 'deleted'", /gone without a deletion/]
  ] as const) {
    const file = oldDatabase(t)
    const database = new Sqlite(file)
    database.exec(damage)
    database.close()
    await t.rejects(migrateToLean(file, {}), { name: 'DatabaseRefused', message: sentence })
    t.notOk(isMigrated(file))
  }
})

t.test('a deletion without the version before it keeps id and slug', async (t) => {
  const file = oldDatabase(t)
  const database = new Sqlite(file)
  const deletion = database.prepare("select * from changes where operation = 'deleted'").get() as Row
  database
    .prepare('delete from changes where author_id = ? and version = ?')
    .run(deletion.author_id, deletion.version - 1)
  database.close()
  await migrateToLean(file, {})
  const { changes } = readAll(file)
  const row = changes?.find(({ sequence }) => sequence === deletion.sequence)
  t.match(row, { deleted_id: deletion.author_id, deleted_slug: deletion.deleted_slug })
})

t.test('a copy that lost rows never takes the place of the file', async (t) => {
  const { rebuild } = await import('../../db/sqlite/rebuild/index.ts')
  const { rebuildUp } = await import('../../migrations/0014-lean-rows.ts')
  for (const [loss, sentence] of [
    ['delete from new.changes where sequence = 3', /rows of "changes" are missing/],
    ['delete from new.authors where number = 1', /rows of "authors" are missing/],
    ['delete from new.api_keys', /rows of "api_keys" are missing/],
    ['delete from new.author_words where rowid = 1', /authors have no words/],
    ['update new.changes set before = null', /versions of authors are missing/],
    ['update new.sessions set user_number = 999', /is not sound \(a row refers/]
  ] as const) {
    const file = oldDatabase(t)
    const plan = { ...rebuildUp, last: [...rebuildUp.last, loss] } as never
    t.throws(() => rebuild(file, { migration: LEAN, direction: 'up', plan }), {
      name: 'DatabaseRefused',
      message: sentence
    })
    t.same(contentsOf(file), contentsOf(original))
    t.notOk(existsSync(`${file}-migrating`))
  }
})

function isMigrated(file: string): boolean {
  const database = new Sqlite(file, { readonly: true })
  const answer = isLean(database)
  database.close()
  return answer
}

t.test('the service tells how far it is', async (t) => {
  const file = oldDatabase(t)
  const events: Migrating[] = []
  const signal = (event: { event: string }) => event.event === 'migrating' && events.push(event as Migrating)
  const database = await openDatabase(file, { signal })
  t.match(events, [{ event: 'migrating', migration: LEAN, step: 'numbers', percent: 0 }, { step: 'check' }])
  await database.close()
  t.ok(isMigrated(file))
})
