/** The engine, and the only door to it: how it is opened, what its errors mean, and what only it can say in SQL. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { type Dialect, Kysely } from 'kysely'
import type { CopyChecker } from './backups/copies.ts'
import { BASE_FOLDER } from './base-folder.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { withoutLink } from './folders.ts'
import type { MoveSource, MoveTarget, OpenTarget } from './moving/side.ts'
import { isUnavailable as isUnavailablePostgres } from './postgres/errors.ts'
import { describeServer } from './postgres/server-url.ts'
import { isServer } from './postgres/url.ts'
import { DatabaseRefused } from './refusals.ts'
import { Connection } from './sqlite/connection.ts'
import { ConnectionDialect } from './sqlite/dialect.ts'
import { SqliteEngine } from './sqlite/engine.ts'
import { isUnavailable as isUnavailableSqlite } from './sqlite/errors.ts'
import { openDatabase, openReader } from './sqlite/open.ts'
import { openStagedFile } from './sqlite/staged.ts'
import type { Db } from './tables.ts'
import type { Upkeep } from './upkeep.ts'

export { whyNoServer } from './postgres/server-url.ts'
export { isServer } from './postgres/url.ts'
export { DatabaseRefused, DatabaseUnavailable } from './refusals.ts'
export { prepareFile } from './sqlite/open.ts'
export { migrateDown, migrateToLatest } from './sqlite/upkeep/migrating.ts'

/** Whether the engine could not do it now though nothing is wrong with the request. */
export function isUnavailable(error: unknown): boolean {
  return isUnavailableSqlite(error) || isUnavailablePostgres(error)
}

/** The engine that a `DATABASE_URL` names. */
export async function engineFor(url: string, options: EngineOptions): Promise<Engine> {
  if (!isServer(url)) return new SqliteEngine(databaseFile(url), options)
  // Who has a file need not load the driver.
  const { PostgresEngine } = await import('./postgres/engine.ts')
  return new PostgresEngine(url, options)
}

/** What the operator does with the database that a `DATABASE_URL` names. */
export async function upkeepOf(url: string): Promise<Upkeep> {
  if (!isServer(url)) return (await import('./sqlite/upkeep/index.ts')).upkeepOfFile(databaseFile(url))
  const { upkeepOfServer } = await import('./postgres/upkeep/index.ts')
  return upkeepOfServer(url)
}

/** What checks copies of databases of an engine, by the name that manifests have of it; one may ask the server that the `DATABASE_URL` names for help. */
export async function copyCheckerOf(engine: string, url: string): Promise<CopyChecker> {
  if (engine === 'sqlite') return (await import('./sqlite/backups/copies.ts')).CHECKER
  if (engine === 'postgres')
    return (await import('./postgres/backups/copies.ts')).checkerOn(isServer(url) ? url : undefined)
  throw new DatabaseRefused(`The backup is of the engine ${engine}, which this version does not know.`)
}

/** The database that a `DATABASE_URL` names, for people: without a password. */
export function describeDatabase(url: string): string {
  return isServer(url) ? describeServer(url) : databaseFile(url)
}

/** What to do when the database that a `DATABASE_URL` names cannot be used. */
export function remedyFor(url: string): string {
  return isServer(url)
    ? 'See that the server runs and can be reached, then try again.'
    : 'See to its disk, or restore it from a backup.'
}

/** The file beside the database that has its signing keys; undefined where the database itself has them. Throws `DatabaseRefused`. */
export function keyFileOf(url: string): string | undefined {
  if (isServer(url)) return undefined
  const [named, file] = [namedFile(url), databaseFile(url)]
  const [stray, keys] = [`${named}.keys.json`, `${file}.keys.json`]
  if (named !== file && existsSync(stray))
    throw new DatabaseRefused(
      `${named} is a link to ${file}, but ${stray} is beside the link: move it to ${keys}.`
    )
  return keys
}

/** The absolute path of the file that a `DATABASE_URL` names; undefined where it names a server. */
export function fileOf(url: string): string | undefined {
  return isServer(url) ? undefined : databaseFile(url)
}

/** The absolute path of the file that a `DATABASE_URL` names. Where that is a link, SQLite has its log beside the file that it leads to, and all else is there too. */
export function databaseFile(url: string): string {
  return withoutLink(namedFile(url))
}

/** A path, or a URL that begins with `sqlite:`. */
function namedFile(url: string): string {
  return path.resolve(BASE_FOLDER, url.replace(/^sqlite:(\/\/)?/, ''))
}

/** The database by itself, for migrations by hand; the service must write through commands. Throws `DatabaseRefused` at first use. */
export function openForMigrations(file: string): Db {
  return new Kysely({ dialect: new ConnectionDialect(() => new Connection(openDatabase(file))) })
}

/** For reading the database that a `DATABASE_URL` names in another thread. */
export async function readDialect(url: string): Promise<Dialect> {
  if (!isServer(url)) return new ConnectionDialect(() => new Connection(openReader(databaseFile(url))))
  const { readDialectOf } = await import('./postgres/engine.ts')
  return readDialectOf(url)
}

/** For a new file of rows that are staged, which one command is to read. */
export function stagedDialect(file: string): Dialect {
  return new ConnectionDialect(() => new Connection(openStagedFile(file)))
}

/** The database of a `DATABASE_URL` as what is moved. Throws `DatabaseRefused`. */
export async function openMoveSource(url: string): Promise<MoveSource> {
  if (!isServer(url)) return (await import('./sqlite/moving/source.ts')).openSource(databaseFile(url))
  return (await import('./postgres/moving/source.ts')).openSource(url, describeDatabase(url))
}

/** The same as where all is moved to. Throws `DatabaseRefused`. */
export async function openMoveTarget(url: string, options: OpenTarget): Promise<MoveTarget> {
  if (!isServer(url))
    return (await import('./sqlite/moving/target.ts')).openTarget(databaseFile(url), options)
  return (await import('./postgres/moving/target.ts')).openTarget(url, describeDatabase(url), options)
}
