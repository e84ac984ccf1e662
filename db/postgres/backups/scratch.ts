/** Databases of a server beside that of a `DATABASE_URL`. */
import { randomBytes } from 'node:crypto'
import { Connection, serverOf } from '../connection.ts'
import { asRefusal } from '../errors.ts'
import { rowsOf } from '../moving/side.ts'
import { readServerUrl } from '../server-url.ts'
import { LONGEST_STATEMENT_MS } from '../upkeep/migrating.ts'

/** Each server has it. */
const MAINTENANCE = 'postgres'
const DAY_MS = 86_400_000

/** The same server, and another of its databases. */
export function withDatabase(url: string, database: string): string {
  return url.replace(
    /^(\w+:\/\/[^/?#]*)\/[^?#]*/,
    (_all, begin) => `${begin}/${encodeURIComponent(database)}`
  )
}

export function databaseNameOf(url: string): string {
  return readServerUrl(url).database
}

/** Does the work on a connection that is not to the database itself, which may be renamed then. Throws `DatabaseRefused`. */
export async function besides<T>(url: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  const maintenance = withDatabase(url, MAINTENANCE)
  let connection: Connection | undefined
  try {
    connection = await Connection.open(serverOf(maintenance), { name: 'backup' })
    return await work(connection)
  } catch (error) {
    throw asRefusal(error, maintenance)
  } finally {
    await connection?.close()
  }
}

export async function mayCreate(url: string): Promise<boolean> {
  return besides(url, async (connection) => {
    const rows = await rowsOf(
      connection,
      'select from pg_roles where rolname = current_user and (rolcreatedb or rolsuper)'
    )
    return rows.length > 0
  })
}

export async function dropDatabase(connection: Connection, name: string): Promise<void> {
  await connection.run(
    { sql: `drop database if exists ${quoted(name)} with (force)`, parameters: [] },
    LONGEST_STATEMENT_MS
  )
}

/** Makes a database without tables, and gives its name. What a kill has left of such is dropped by who comes a day later. */
export async function createScratch(url: string, purpose: string): Promise<string> {
  const name = scratchName(purpose, Date.now())
  await besides(url, async (connection) => {
    await dropForgotten(connection, purpose)
    await connection.run(
      { sql: `create database ${quoted(name)} template template0 encoding 'UTF8'`, parameters: [] },
      LONGEST_STATEMENT_MS
    )
  })
  return name
}

/** Does the work with the URL of a new database, which is dropped afterwards. */
export async function inScratch<T>(
  url: string,
  purpose: string,
  work: (url: string) => Promise<T>
): Promise<T> {
  const name = await createScratch(url, purpose)
  try {
    return await work(withDatabase(url, name))
  } finally {
    await besides(url, (connection) => dropDatabase(connection, name))
  }
}

async function dropForgotten(connection: Connection, purpose: string): Promise<void> {
  const forgotten = await rowsOf<{ name: string }>(
    connection,
    'select datname as name from pg_database where datname ~ $1 and datname < $2 and pg_get_userbyid(datdba) = current_user',
    `^library_${purpose}_[0-9]{17}_[0-9a-f]{6}$`,
    scratchName(purpose, Date.now() - DAY_MS)
  )
  for (const { name } of forgotten) await dropDatabase(connection, name)
}

/** Names are in the order of their times. */
export function scratchName(purpose: string, now: number): string {
  const time = new Date(now).toISOString().replaceAll(/\D/g, '')
  return `library_${purpose}_${time}_${randomBytes(3).toString('hex')}`
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
