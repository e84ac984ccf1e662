import { createHash } from 'node:crypto'
import { copyFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import { isServer, openMoveSource } from '../../db/dialect.ts'
import { executedMigrations, tableNames } from '../../db/migrator.ts'
import { MARK } from '../../db/moving/mark.ts'
import type { MoveSide } from '../../db/moving/side.ts'
import { MOVED_TABLES } from '../../db/moving/tables.ts'
import { KeysRefused } from '../../plugins/signing-keys/refused.ts'
import { keyStoreOf } from '../../plugins/signing-keys/store.ts'
import { unsoundnessOf } from '../crash/soundness.ts'

/** The contents, and whether they hold together, words included. */
export async function everythingOf(url: string): Promise<Record<string, string>> {
  return { ...(await contentsOf(url)), 'what is unsound': (await unsoundnessOf(copyOf(url))).join('\n') }
}

/** Reading would leave a log beside a file. */
function copyOf(url: string): string {
  if (isServer(url)) return url
  copyFileSync(url, `${url}-copy`)
  return `${url}-copy`
}

/** A digest of the rows of each table, and what else two databases must have in common. */
export async function contentsOf(url: string): Promise<Record<string, string>> {
  const side = await openMoveSource(url)
  try {
    const contents: Record<string, string> = {
      migrations: (await executedMigrations(side.db)).join(),
      mark: String((await tableNames(side.db)).includes(MARK))
    }
    for (const { name } of MOVED_TABLES) contents[name] = await digestOf(side, name)
    for (const table of MOVED_TABLES.filter(({ isNumbered }) => isNumbered)) {
      contents[`last number of ${table.name}`] = String(await side.lastNumberOf(table))
    }
    contents['signing keys'] = await keysOf(url, side)
    return contents
  } finally {
    await side.close()
  }
}

async function keysOf(url: string, { db }: MoveSide): Promise<string> {
  const settings = { DATABASE_URL: url, KEYS_SECRET: '', KEYS_SECRET_FILE: '' }
  const run = () => Promise.reject(new TypeError('It is only read.'))
  const store = await keyStoreOf(settings, () => ({ db: db as FastifyInstance['db'], run }))
  try {
    return JSON.stringify((await store.look()).keys())
  } catch (error) {
    if (error instanceof KeysRefused) return 'none'
    throw error
  }
}

/** Without an order: what has come twice or not at all differs all the same. */
async function digestOf(side: MoveSide, table: string): Promise<string> {
  const columns = (await side.columnsOf(table)).filter(({ isGenerated }) => !isGenerated)
  const names = columns.map(({ name }) => name).sort()
  const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(table)}`.execute(side.db)
  const texts = rows.map((row) => JSON.stringify(names.map((name) => row[name])))
  return `${rows.length} rows ${createHash('sha256').update(texts.sort().join('\n')).digest('hex')}`
}

/** What two databases do not have in common. */
export function differences(one: Record<string, string>, other: Record<string, string>): string[] {
  return Object.keys(one)
    .filter((name) => one[name] !== other[name])
    .map((name) => `${name} differs`)
}
