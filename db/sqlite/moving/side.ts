/** What both sides of a move are, where they are files. */
import type Sqlite from 'better-sqlite3'
import { CompiledQuery, type QueryResult } from 'kysely'
import { holdLock, releaseLock } from '../../file-lock.ts'
import { asUnavailable, type Column, type MoveSide } from '../../moving/side.ts'
import type { MovedTable } from '../../moving/tables.ts'
import type { Db } from '../../tables.ts'
import { Connection } from '../connection.ts'
import { asRefusal, DatabaseRefused, fileRefused, isBusy } from '../errors.ts'
import { identityOf } from '../identity.ts'

export function refusing<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explain(error, path)
  }
}

function explain(error: unknown, path: string): unknown {
  const { syscall } = error as NodeJS.ErrnoException
  if (syscall !== undefined) return new DatabaseRefused(fileRefused(error as NodeJS.ErrnoException, path))
  return isBusy(error) ? inUse(path, 'another process') : asRefusal(error, path)
}

/** Notes, as the service does, that this process has the file, until the side is closed. */
export function holding<T>(file: string, open: () => T): T {
  const pid = holdLock(lockOf(file))
  if (pid !== undefined) throw inUse(file, `the service with the process id ${pid}`)
  try {
    return open()
  } catch (error) {
    releaseLock(lockOf(file))
    throw error
  }
}

/** Says of which of the two files its errors are. */
export class SideConnection extends Connection {
  readonly #file: string

  constructor(database: Sqlite.Database, file: string) {
    super(database)
    this.#file = file
  }

  override run<R>(query: CompiledQuery): QueryResult<R> {
    try {
      return super.run(query)
    } catch (error) {
      throw asUnavailable(error, asRefusal(error, this.#file))
    }
  }
}

export function lockOf(file: string): string {
  return `${file}.lock`
}

function inUse(file: string, by: string): DatabaseRefused {
  return new DatabaseRefused(`${file} is in use by ${by}: end that first, then try again.`)
}

export abstract class FileSide implements MoveSide {
  readonly place: string
  abstract readonly db: Db
  protected abstract readonly connection: Connection

  constructor(file: string) {
    this.place = file
  }

  get identity(): string {
    return identityOf(this.place, 0)
  }

  async columnsOf(table: string): Promise<Column[]> {
    const rows = this.all<{ name: string; hidden: number }>(
      'select name, hidden from pragma_table_xinfo(?)',
      table
    )
    return rows.map(({ name, hidden }) => ({ name, isGenerated: hidden !== 0 }))
  }

  async lastNumberOf({ name, key: [key = ''] }: MovedTable): Promise<number> {
    const [row] = this.all<{ last: number }>(
      `select max(coalesce((select max("${key}") from "${name}"), 0),
        coalesce((select seq from sqlite_sequence where name = ?), 0)) as last`,
      name
    )
    return row?.last ?? 0
  }

  abstract close(): Promise<void>

  protected all<R>(statement: string, ...parameters: unknown[]): R[] {
    return this.connection.run<R>(CompiledQuery.raw(statement, parameters)).rows
  }
}
