// On SQLite alone: migrations that copy rows to a new file, and those from before the other engine was there.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Kysely, sql } from 'kysely'
import t from 'tap'
import { uuidv7 } from 'uuidv7'
import { openDatabase } from '../../db/database.ts'
import { openForMigrations } from '../../db/dialect.ts'
import { createMigrator, migrateToLatest, refuseOtherSchema, resultsOf } from '../../db/migrator.ts'
import type { Db } from '../../db/tables.ts'
import { usernameKey, usernameSkeleton } from '../../db/text.ts'
import { oldRowOf } from '../../scripts/migration/old-database.ts'
import type { Author } from '../../scripts/migration/old-log.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const run = promisify(execFile)

t.test('migrations go up, all the way down, and up again', async (t) => {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  const migrator = createMigrator(db)
  const schema = await schemaOf(db)
  t.match(schema, /create table "?authors"?[\s\S]*strict/i)
  for (const _ of await migrator.getMigrations()) resultsOf(await migrator.migrateDown())
  t.notMatch(await schemaOf(db), /authors|users/)
  await migrateToLatest(db)
  t.equal(await schemaOf(db), schema)
})

t.test('authors of an older version are found and have a history after it', async (t) => {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  resultsOf(await createMigrator(db).migrateTo('0006-create-rate-limits'))
  const owner_id = await insertOldUser(db, 'salman')
  const authors = [
    oldAuthor({ name: 'Gabriel García Márquez', book: 'Cien años de soledad', birth_year: 1927, owner_id }),
    oldAuthor({
      name: 'Ὅμηρος',
      book: 'Ὀδύσσεια',
      country: 'Ἑλλάς',
      note: '"odd"\n\u{1F4DA}',
      booker_prize: true
    }),
    oldAuthor({ name: 'Export', slug: 'export' })
  ]
  const tables = db as unknown as Kysely<OldTables>
  for (const author of authors) {
    const { country_key, birth_key, words, record, ...row } = oldRowOf(author)
    await tables
      .insertInto('authors')
      .values(row as never)
      .execute()
  }
  resultsOf(await createMigrator(db).migrateTo('0013-create-account-deletions'))

  const expected = authors.map((author) => {
    const slug = author.slug === 'export' ? `author-export-${author.id.slice(-12)}` : author.slug
    return oldRowOf({ ...author, slug })
  })
  const migrated = await tables.selectFrom('authors').selectAll().orderBy('id').execute()
  t.same(migrated, expected)
  const words = await tables.selectFrom('author_words').selectAll().orderBy('word').execute()
  const all = expected.flatMap(({ id, words }) =>
    words
      .split(' ')
      .slice(1)
      .map((word) => ({ word, author_id: id }))
  )
  t.same(
    words,
    all.sort((a, b) => Buffer.compare(Buffer.from(a.word), Buffer.from(b.word)))
  )
  const changes = await tables.selectFrom('changes').selectAll().orderBy('sequence').execute()
  t.match(changes, [{ sequence: 1, version: 3, operation: 'created', actor_id: owner_id }, {}, {}])
  t.same(
    changes.map(({ record }) => record),
    migrated.map(({ record }) => record),
    'and the log makes just these'
  )
})

interface OldTables {
  authors: ReturnType<typeof oldRowOf>
  author_words: { word: string; author_id: string }
  changes: { sequence: number; version: number; operation: string; actor_id: string; record: string }
}

function oldAuthor(part: Partial<Author>): Author {
  const id = uuidv7()
  const identifiers = { viaf: null, isni: null, wikidata: null, openlibrary: null }
  const content = { name: 'A', book: 'B', country: 'Perú', booker_prize: false, identifiers, note: null }
  const times = { created_at: '2026-01-01T00:00:00.000Z', updated_at: '2026-01-02T00:00:00.000Z' }
  const years = { birth_year: null, death_year: null }
  // The record has its parts in this order.
  const { name, book, country, booker_prize, note } = { ...content, ...part }
  const { birth_year } = { ...years, ...part }
  const start = {
    id,
    slug: part.slug ?? `slug-${id}`,
    name,
    book,
    country,
    booker_prize,
    birth_year,
    death_year: null
  }
  return { ...start, identifiers, note, owner_id: part.owner_id ?? null, version: 3, ...times }
}

t.test('of users of an older version that look the same the oldest has the look', async (t) => {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  resultsOf(await createMigrator(db).migrateTo('0010-add-author-record'))
  const names = ['Boris', 'b0ris', 'bo\u034fris', 'anna', '\u0441\u043e\u0440', 'cop', 'Cоp']
  for (const name of names) await insertOldUser(db, name)
  resultsOf(await createMigrator(db).migrateTo('0013-create-account-deletions'))
  const users = await db.selectFrom('users').select(['username', 'username_skeleton']).orderBy('id').execute()
  t.strictSame(
    users.map(({ username, username_skeleton }) => [username, username_skeleton]),
    names.map((name) => [name, ['Boris', 'anna', names[4]].includes(name) ? usernameSkeleton(name) : null])
  )
})

/** A user as they were before names were compared by their look. */
async function insertOldUser(db: Db, username: string): Promise<string> {
  const id = uuidv7()
  const user = { id, username, username_key: usernameKey(username), password_hash: 'x', created_at: 'x' }
  await db
    .insertInto('users')
    .values(user as never)
    .execute()
  return id
}

t.test('a failed migration changes nothing', async (t) => {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  await sql`create table authors (x)`.execute(db)
  await t.rejects(migrateToLatest(db), { message: /authors.* already exists/ })
  t.notMatch(await schemaOf(db), /users/, 'the migration before it was undone with it')
})

t.test('two processes that start at once take turns', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const starts = [1, 2, 3].map(() =>
    run(process.execPath, ['scripts/migrate.ts', 'latest'], { cwd: ROOT, env: env(file) })
  )
  const outputs = (await Promise.all(starts)).map(({ stdout }) => stdout)
  t.equal(outputs.filter((output) => output.includes('up  0001-create-users')).length, 1)
})

t.test('a database that a newer version made is refused untouched', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const db = openForMigrations(file)
  await migrateToLatest(db)
  await sql`insert into kysely_migration values ('9999-from-the-future', '2030-01-01')`.execute(db)
  await db.destroy()
  const before = readFileSync(file)

  const again = openForMigrations(file)
  await t.rejects(migrateToLatest(again), { name: 'DatabaseRefused' })
  await t.rejects(migrateToLatest(again), { message: /9999-from-the-future.*newer version/ })
  await t.rejects(openDatabase(file), { name: 'DatabaseRefused', message: /9999-from-the-future/ })
  await again.destroy()
  t.ok(readFileSync(file).equals(before))
})

t.test('who joins others changes nothing of the schema that they use', async (t) => {
  const db = openForMigrations(path.join(temporaryFolder(t), 'library.db'))
  t.teardown(() => db.destroy())
  await migrateToLatest(db)
  await refuseOtherSchema(db)
  resultsOf(await createMigrator(db).migrateDown())
  const schema = await schemaOf(db)
  await t.rejects(refuseOtherSchema(db), {
    name: 'DatabaseRefused',
    message: /lacks the migration .* restart/
  })
  t.equal(await schemaOf(db), schema)
})

t.test('npm run db:migrate', async (t) => {
  const file = path.join(temporaryFolder(t), 'library.db')
  const migrate = (...args: string[]) =>
    run(process.execPath, ['scripts/migrate.ts', ...args], { cwd: ROOT, env: env(file) })
  t.match((await migrate('status')).stdout, /0001-create-users {2}pending/)
  t.match((await migrate('latest')).stdout, /up {2}0001-create-users/)
  t.match((await migrate('latest')).stdout, /nothing to do/)
  t.match((await migrate('status')).stdout, /0001-create-users {2}\d{4}-/)
  t.match((await migrate('down')).stdout, /down {2}0/)
  await t.rejects(migrate(), { code: 2, stderr: /usage: npx library db migrate latest\|down\|status/ })
  const foreign = run(process.execPath, ['scripts/migrate.ts', 'status'], {
    cwd: ROOT,
    env: env(path.join(ROOT, 'package.json'))
  })
  await t.rejects(foreign, { code: 1, stderr: /not an SQLite database/ })
})

function env(file: string) {
  return { ...process.env, DATABASE_URL: file }
}

async function schemaOf(db: Parameters<typeof createMigrator>[0]): Promise<string> {
  const { rows } = await sql<{
    sql: string
  }>`select sql from sqlite_schema where sql is not null order by sql`.execute(db)
  return rows.map((row) => row.sql).join('\n')
}
