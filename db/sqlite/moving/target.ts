import { realpathSync, rmSync } from 'node:fs'
import { CompiledQuery, Kysely } from 'kysely'
import type { Indexed } from '../../engine.ts'
import { releaseLock } from '../../file-lock.ts'
import type { Entry, MoveTarget, OpenTarget, Row } from '../../moving/side.ts'
import type { MovedTable } from '../../moving/tables.ts'
import type { Db, Tables } from '../../tables.ts'
import type { Connection } from '../connection.ts'
import { ConnectionDialect } from '../dialect.ts'
import { DatabaseRefused } from '../errors.ts'
import { identityOf } from '../identity.ts'
import { openDatabase, prepareFile } from '../open.ts'
import { SQLITE_WORDS } from '../word-index.ts'
import { FileSide, holding, lockOf, refusing, SideConnection } from './side.ts'

/** The pages of indexes that are filled in random order should stay in memory. */
const CACHE_KIB = 256 * 1024
/** The log is copied whenever it has so many pages. */
const LOG_PAGES = 16_384
const ENTRIES_AT_ONCE = 10_000

/** Makes the file if it is not there. Throws `DatabaseRefused`. */
export async function openTarget(path: string, { except }: OpenTarget): Promise<MoveTarget> {
  return refusing(path, () => {
    if (identityOf(path, 0) === except)
      throw new DatabaseRefused(`${path} is what is to be moved: name another file.`)
    prepareFile(path)
    const file = realpathSync(path)
    return holding(file, () => new FileTarget(file))
  })
}

/** Nobody else can even read the file meanwhile. */
class FileTarget extends FileSide implements MoveTarget {
  protected connection!: Connection
  db!: Db

  constructor(file: string) {
    super(file)
    this.#open()
  }

  /** Nobody can while it is open. */
  async refuseOthers(): Promise<void> {}

  async insert(_trx: Db, table: string, columns: readonly string[], rows: readonly Row[]): Promise<void> {
    const names = columns.map((column) => `"${column}"`)
    const sql = `insert into "${table}" (${names}) values (${columns.map(() => '?')})`
    for (const row of rows) {
      this.connection.run(
        CompiledQuery.raw(
          sql,
          columns.map((column) => row[column])
        )
      )
    }
  }

  addWords(trx: Db, authors: readonly Indexed[]): Promise<void> {
    return SQLITE_WORDS.addTerms(trx, authors)
  }

  async *wordEntries(): AsyncGenerator<Entry[]> {
    this.connection.exec(
      'create virtual table if not exists temp.word_entries using fts5vocab (main, author_words, instance)'
    )
    const first = 'select term, doc from temp.word_entries'
    const entries: Entry[] = []
    for (const [term, doc] of this.connection.iterate<[string, number]>(first)) {
      entries.push([doc, term])
      if (entries.length === ENTRIES_AT_ONCE) yield entries.splice(0)
    }
    yield entries
  }

  asIndexed(term: string): string {
    return term
  }

  async setLastNumber(_trx: Db, { name }: MovedTable, number: number): Promise<void> {
    this.all('update sqlite_sequence set seq = max(seq, ?) where name = ?', number, name)
    // A table without rows has no place in it yet, and one whose numbers are not kept never has.
    this.all(
      `insert into sqlite_sequence (name, seq) select name, ? from sqlite_schema
        where name = ? and sql like '%autoincrement%' and not exists (select 1 from sqlite_sequence where name = ?)`,
      number,
      name,
      name
    )
  }

  async empty(): Promise<void> {
    this.connection.close()
    // The log first: beside a new file, it would be that of another.
    for (const suffix of ['-wal', '-shm', '']) rmSync(this.place + suffix, { force: true })
    this.#open()
  }

  async settle(): Promise<void> {
    this.all("insert into author_words (author_words) values ('optimize')")
  }

  async close(): Promise<void> {
    this.connection.close()
    releaseLock(lockOf(this.place))
  }

  #open(): void {
    const database = openDatabase(this.place, { isAlone: true })
    database.pragma(`cache_size = -${CACHE_KIB}`)
    database.pragma(`wal_autocheckpoint = ${LOG_PAGES}`)
    this.connection = new SideConnection(database, this.place)
    this.db = new Kysely<Tables>({ dialect: new ConnectionDialect(() => this.connection) })
  }
}
