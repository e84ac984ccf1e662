/** What each engine gives: its rooms are `sqlite/` and `postgres/`, and nothing outside them knows one. */
import type { Dialect, Expression, RawBuilder, SelectQueryBuilder, SqlBool } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Call } from './command.ts'
import type { DatabaseEvent } from './events.ts'
import type { Db, ReadDb, Tables } from './tables.ts'

export interface EngineOptions {
  /** Other processes of this service have the database already. */
  isInUse?: boolean
  /** Where files lie for a while; where the engine chooses when it is empty. */
  spoolDir?: string
  /** Learns of what goes on. */
  signal?: (event: DatabaseEvent) => void
  /** Where commands are beside the service's own. */
  commandFolders?: string[]
}

/** What the database takes on its disk, in bytes; the write-ahead log where it lies beside it. */
export interface DatabaseSizes {
  data: number
  log?: number
}

/** What an engine is at. */
export interface EngineLoad {
  /** Calls that wait or are run. */
  waiting: number
  /** Open connections to a server, by what they are for. */
  connections: Readonly<Record<string, number>>
}

export interface Engine {
  /** For people: nothing depends on it. */
  readonly name: string
  /** Where the data lie, if that is on this machine. */
  readonly folder: string | undefined
  readonly reads: Dialect
  /** Where files of this process alone begin with their names, once it is open. */
  readonly files: string
  /** Whether a server must be asked for `dataVersion`, so that it is not asked more than once for a request. */
  readonly asksServer: boolean
  /** Brings the schema up to date. Throws `DatabaseRefused`. */
  open(): Promise<void>
  /** Runs a command, and resolves to its output once that is on the disk. Throws a `Problem`, or what `isUnavailable` knows. */
  run(call: Call): Promise<unknown>
  /** A greater or another number whenever anything was committed, by any process; a promise where that is asked of a server. */
  dataVersion(): number | Promise<number>
  /** Calls `hear` soon after anything was committed, by any process, and maybe more often, until the function that it gives is called. */
  watch(hear: () => void): () => void
  /** Calls back when what was known of the data may not be so any more though `dataVersion` does not say so: a copy may be in its server's place. */
  onDoubt(callback: () => void): void
  load(): EngineLoad
  sizes(): Promise<DatabaseSizes>
  /** Resolves when all that was called is done. */
  close(): Promise<void>
}

/** An author's number and its terms, with spaces between; each is a row of letters, marks, digits and characters for private use. */
export interface Indexed {
  number: number
  terms: string
}

/** What is looked for: whole terms, and beginnings of terms. */
export interface Wanted {
  terms: string[]
  prefixes: string[]
}

/** Which authors have which words. `match` is what `matchOf` has made. */
export interface WordIndex {
  /** Lets authors be found by their terms. */
  addTerms(trx: Db, authors: readonly Indexed[]): Promise<void>
  /** The same for rows of a number and terms, as a query gives them of what was staged. */
  addStagedTerms(trx: Db, rows: Expression<Indexed>): Promise<void>
  /** Lets an author be found by these terms in place of those from before. */
  replaceTerms(trx: Db, author: Indexed): Promise<void>
  /** Lets an author not be found any more. */
  removeTerms(trx: Db, number: number): Promise<void>
  /** What the other functions take for authors that have all that is wanted. */
  matchOf(db: ReadDb, wanted: Wanted): Promise<string>
  /** The authors whose words match, in the order of their numbers if that is wanted, those after one of them. */
  matching(
    db: ReadDb,
    match: string,
    order?: { after: number | undefined; descending: boolean }
  ): SelectQueryBuilder<Tables, 'authors', object>
  /** How many authors match, `most` at most. */
  countMatches(db: ReadDb, match: string, most: number): Promise<number>
  /** The numbers of the authors that match, in order, up to `limit` of those after one. */
  listMatches(db: ReadDb, match: string, page: { after: number; limit: number }): Promise<number[]>
}

/** What each engine says in its own SQL. */
export interface EngineSql extends WordIndex {
  /** All texts of a query in its order, with commas between. */
  joined(text: Expression<unknown>): RawBuilder<string | null>
  /** The same in UTF-8, or as a string. */
  joinedBytes(text: Expression<string>): RawBuilder<Buffer | string | null>
  /** Whether an author has one of these numbers, as one value: statements with thousands of them take long to prepare. */
  amongNumbers(numbers: readonly number[]): RawBuilder<SqlBool>
  /** A whole number in twelve hexadecimal digits, in lower case. */
  hexOf(number: Expression<number>): RawBuilder<string>
  /** The members of a JSON object, without the braces around them. */
  membersOf(object: Expression<string>): RawBuilder<string>
  /** The schema in which a command that reads a staged file finds its tables. */
  readonly stagedSchema: string
}

/** A Kysely adapter that knows its engine's SQL. */
export interface EngineAdapter {
  readonly engineSql: EngineSql
  /** What the migrations are on this engine, if they are others. */
  ownMigrations?(all: Record<string, Migration>): Record<string, Migration>
}

export function adapterOf(db: ReadDb): EngineAdapter {
  return db.getExecutor().adapter as unknown as EngineAdapter
}

/** The SQL of the engine that runs the queries of this database or transaction. */
export function sqlOf(db: ReadDb): EngineSql {
  return adapterOf(db).engineSql
}
