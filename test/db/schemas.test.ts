/** Small databases of each schema that has landed, in test/schemas: what an operator has who upgrades, and who goes back. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import Sqlite from 'better-sqlite3'
import t, { type Test } from 'tap'
import { upkeepOf } from '../../db/dialect.ts'
import { contentsOf, schemaOf } from '../../scripts/migration/contents.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const FOLDER = path.join(ROOT, 'test/schemas')
const KEPT = readdirSync(FOLDER).map((file) => file.replace('.db.gz', ''))

const MIGRATIONS = readdirSync(path.join(ROOT, 'migrations')).map((file) => file.replace('.ts', ''))
/** Those after it are newer than the last release. */
const LAST_KEPT = '0018-create-account-log'
/** From it on nothing is lost on the way down. */
const LOSSLESS_FROM = '0016-refold'

function unpack(t: Test, name: string): string {
  const file = path.join(temporaryFolder(t), 'library.db')
  writeFileSync(file, gunzipSync(readFileSync(path.join(FOLDER, `${name}.db.gz`))))
  return file
}

function schemaIn(file: string): string[] {
  const database = new Sqlite(file, { readonly: true })
  // Of SQLite's own, which stays once it was there.
  const schema = schemaOf(database).filter((statement) => !statement.includes('sqlite_sequence'))
  database.close()
  return schema
}

/** What a database has, counted: of users, of authors, and of their past. */
function countsIn(file: string): Record<string, unknown> {
  const database = new Sqlite(file, { readonly: true })
  const count = (table: string) => database.prepare(`select count(*) from ${table}`).pluck().get()
  const tables = ['users', 'authors', 'changes', 'sessions', 'api_keys'].filter((table) =>
    database.prepare("select 1 from sqlite_schema where type = 'table' and name = ?").get(table)
  )
  const counts = Object.fromEntries(tables.map((table) => [table, count(table)]))
  database.close()
  return counts
}

async function lastMigrationOf(file: string): Promise<string | undefined> {
  const upkeep = await upkeepOf(file)
  return (await upkeep.listMigrations()).findLast(({ executedAt }) => executedAt !== undefined)?.name
}

t.test('each schema has its database', async (t) => {
  t.strictSame(
    KEPT.filter((name) => !MIGRATIONS.includes(name)),
    []
  )
  t.strictSame(
    MIGRATIONS.filter((name) => name <= LAST_KEPT && !KEPT.includes(name)),
    [],
    'node scripts/migration/keep.ts makes those that are missing'
  )
})

for (const name of KEPT) {
  t.test(`a database of ${name} comes to the newest schema, and back`, async (t) => {
    const file = unpack(t, name)
    const [old, before] = [schemaIn(file), countsIn(file)]
    const upkeep = await upkeepOf(file)
    await upkeep.migrateToLatest({})
    t.strictSame(schemaIn(file), await newestSchema(), 'as a new one has it')
    t.strictSame((await upkeep.check()).faults, [])
    const { users, authors, ...others } = before
    t.match(countsIn(file), { users, ...(authors !== undefined && { authors }) }, 'nobody is lost')
    const newest = contentsOf(file)
    while ((await lastMigrationOf(file)) !== name) await upkeep.migrateDown({})
    t.strictSame(schemaIn(file), old, 'as it was')
    t.match(countsIn(file), before, `with ${Object.keys(others).join(', ')}`)
    if (name < LOSSLESS_FROM) return
    await upkeep.migrateToLatest({})
    t.strictSame(contentsOf(file), newest, 'and nothing is lost on the way')
  })
}

let made: Promise<string[]> | undefined

function newestSchema(): Promise<string[]> {
  made ??= (async () => {
    const file = path.join(temporaryFolder(t), 'new.db')
    await (await upkeepOf(file)).migrateToLatest({})
    return schemaIn(file)
  })()
  return made
}
