/** Databases of a server beside that of a `DATABASE_URL`. */
import { randomBytes } from 'node:crypto'
import { Connection, serverOf } from './connection.ts'
import { asRefusal } from './errors.ts'
import { LONGEST_STATEMENT_MS } from './migrating.ts'
import { rowsOf } from './move-side.ts'
import { readServerUrl } from './server-url.ts'

/** Each server has it. */
const MAINTENANCE = 'postgres'

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

/** Makes a database without tables, and gives its name. */
export async function createDatabase(connection: Connection, name: string): Promise<void> {
  await connection.run(
    { sql: `create database ${quoted(name)} template template0 encoding 'UTF8'`, parameters: [] },
    LONGEST_STATEMENT_MS
  )
}

export async function dropDatabase(connection: Connection, name: string): Promise<void> {
  await connection.run(
    { sql: `drop database if exists ${quoted(name)} with (force)`, parameters: [] },
    LONGEST_STATEMENT_MS
  )
}

/** Does the work with the URL of a new database, which is dropped afterwards. */
export async function inScratch<T>(
  url: string,
  purpose: string,
  work: (url: string) => Promise<T>
): Promise<T> {
  const name = scratchName(purpose)
  await besides(url, (connection) => createDatabase(connection, name))
  try {
    return await work(withDatabase(url, name))
  } finally {
    await besides(url, (connection) => dropDatabase(connection, name))
  }
}

export function scratchName(purpose: string): string {
  return `library_${purpose}_${randomBytes(6).toString('hex')}`
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
