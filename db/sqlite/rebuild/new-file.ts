import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import type Sqlite from 'better-sqlite3'
import type { Rebuild } from '../../rebuild-plan.ts'
import { DatabaseRefused, isDamage } from '../errors.ts'
import { APPLICATION_ID, PAGE_BYTES, prepareFile } from '../open.ts'
import { likeFile } from './replacing.ts'

/** How far the copy is: so many steps are done, and of the next one the numbers up to `done`. */
export interface Position {
  step: number
  done: number
}

/** A carried-over table, index or trigger. */
interface Definition {
  type: string
  name: string
  sql: string
}

/** Has one row, in the transaction of whose change the rows were copied that it tells of. */
const MARKER = 'create table new.rebuild (purpose text, state text, step integer, done integer) strict'

/** The half-built file beside the old one; both are attached to the connection. */
export class NewFile {
  readonly path: string
  readonly #database: Sqlite.Database
  readonly #file: string
  readonly #due: Rebuild
  readonly #purpose: string
  readonly #state: string

  constructor(database: Sqlite.Database, file: string, due: Rebuild) {
    this.path = `${file}-migrating`
    this.#database = database
    this.#file = file
    this.#due = due
    this.#purpose = `${due.direction} ${due.migration}`
    this.#state = stateOf(database, due.plan.state)
  }

  /** Whether there is one that can go on; one of another state of the old file is deleted. */
  resume(): boolean {
    if (this.#isOfThisState()) return true
    this.delete()
    return false
  }

  /** Makes the new file, with empty tables. */
  begin(): void {
    this.#attach()
    likeFile(this.path, this.#file)
    this.#database.pragma(`new.page_size = ${PAGE_BYTES}`)
    this.#inTransaction(() => {
      this.#database.pragma(`new.application_id = ${APPLICATION_ID}`)
      for (const statement of this.#due.plan.tables) this.#database.exec(inNewFile(statement))
      this.#database.exec(MARKER)
      this.#database.prepare('insert into new.rebuild values (?, ?, 0, 0)').run(this.#purpose, this.#state)
    })
  }

  get position(): Position {
    return this.#database.prepare('select step, done from new.rebuild').get() as Position
  }

  /** Does work that brings the copy so far. */
  advance({ step, done }: Position, work: () => void): void {
    this.#inTransaction(() => {
      work()
      this.#database.prepare('update new.rebuild set step = ?, done = ?').run(step, done)
    })
  }

  /** Adds what is small and may have changed meanwhile; if `check` lets it pass, the file is whole and on the disk. */
  complete(check: () => void): void {
    try {
      this.#inTransaction(() => {
        this.#carryOver()
        for (const statement of this.#due.plan.last) this.#database.exec(inNewFile(statement))
        this.#database.exec('drop table new.rebuild')
        check()
      })
    } catch (error) {
      // What is wrong with the copy would be so at the next try as well.
      if (error instanceof DatabaseRefused) this.delete()
      throw error
    }
    this.#database.exec('detach new')
  }

  /** The journal last: a file that lacks it may be broken and look whole. */
  delete(): void {
    const attached = this.#database.pragma('database_list') as { name: string }[]
    if (attached.some(({ name }) => name === 'new')) this.#database.exec('detach new')
    for (const suffix of ['', '-journal']) rmSync(this.path + suffix, { force: true })
  }

  #attach(): void {
    prepareFile(this.path)
    this.#database.prepare('attach ? as new').run(this.path)
    this.#database.pragma('new.synchronous = 2')
  }

  #isOfThisState(): boolean {
    try {
      this.#attach()
      const marks = this.#database.prepare('select 1 from new.rebuild where purpose = ? and state = ?')
      return marks.get(this.#purpose, this.#state) !== undefined
    } catch (error) {
      if (isDamage(error) || /no such table/.test((error as Error).message)) return false
      throw error
    }
  }

  /** The tables that the migration leaves as they are, and the record of migrations, in which it stands. */
  #carryOver(): void {
    const definitions = this.#carried()
    for (const { type, name, sql } of definitions) {
      this.#database.exec(inNewFile(sql))
      if (type === 'table') this.#database.exec(`insert into new."${name}" select * from old."${name}"`)
    }
    const { migration, direction } = this.#due
    for (const { name } of definitions) {
      this.#database.prepare('delete from new.sqlite_sequence where name = ?').run(name)
      this.#database
        .prepare('insert into new.sqlite_sequence select name, seq from old.sqlite_sequence where name = ?')
        .run(name)
    }
    this.#database.prepare('delete from new.kysely_migration where name = ?').run(migration)
    if (direction === 'down') return
    this.#database
      .prepare('insert into new.kysely_migration values (?, ?)')
      .run(migration, new Date().toISOString())
  }

  #carried(): Definition[] {
    const replaced = JSON.stringify(this.#due.plan.replaced)
    return this.#database
      .prepare(
        `select type, name, sql from old.sqlite_schema
        where sql is not null and name not like 'sqlite_%' and tbl_name not in (select value from json_each(?))
        order by type <> 'table'`
      )
      .all(replaced) as Definition[]
  }

  #inTransaction(work: () => void): void {
    this.#database.transaction(work).immediate()
  }
}

/** The statement that makes something, which without a name of a schema would make it in another file. */
export function inNewFile(statement: string): string {
  return statement.replace(/^create (unique index|index|virtual table|table|trigger) /i, '$&new.')
}

function stateOf(database: Sqlite.Database, queries: string[]): string {
  const hash = createHash('sha256')
  for (const query of queries) hash.update(JSON.stringify(database.prepare(query).all()))
  return hash.digest('base64')
}
