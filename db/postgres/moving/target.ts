import { sql } from 'kysely'
import type { Indexed } from '../../engine.ts'
import { MARK } from '../../moving/mark.ts'
import type { Entry, MoveTarget, OpenTarget, Row } from '../../moving/side.ts'
import { MOVED_TABLES, type MovedTable } from '../../moving/tables.ts'
import { DatabaseRefused } from '../../refusals.ts'
import type { Db } from '../../tables.ts'
import { serverOf } from '../connection.ts'
import { refuseUnfit } from '../upkeep/fitness.ts'
import { LONGEST_STATEMENT_MS } from '../upkeep/migrating.ts'
import { clipped, clippedTerms } from '../word-index.ts'
import { identityOf, refuseUsed, refusing, ServerSide } from './side.ts'

const AUTHORS_AT_ONCE = 2000
const SETTINGS = [
  'set idle_in_transaction_session_timeout = 0',
  'set statement_timeout = 0',
  'set synchronous_commit = on'
]

/** Throws `DatabaseRefused`. */
export async function openTarget(url: string, place: string, { except }: OpenTarget): Promise<MoveTarget> {
  return refusing(url, async (connection) => {
    const identity = await identityOf(connection)
    if (identity === except)
      throw new DatabaseRefused(`${place} is what is to be moved: name another database.`)
    await refuseUsed(connection, place)
    const target = new ServerTarget(url, place, connection, identity)
    await refuseUnfit(target.db)
    // A pooler would keep them for whom it gives the connection next.
    if (serverOf(url).prepares) await connection.runAll(SETTINGS)
    return target
  })
}

class ServerTarget extends ServerSide implements MoveTarget {
  refuseOthers(): Promise<void> {
    return this.explaining(refuseUsed(this.connection, this.place))
  }

  async insert(trx: Db, table: string, columns: readonly string[], rows: readonly Row[]): Promise<void> {
    const names = sql.join(columns.map((column) => sql.ref(column)))
    await sql`insert into ${sql.table(table)} (${names})
      select ${names} from json_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::json)`.execute(
      trx
    )
  }

  async addWords(trx: Db, authors: readonly Indexed[]): Promise<void> {
    const rows = authors.map(({ number, terms }) => ({ number, terms: clippedTerms(terms) }))
    await sql`insert into author_words (number, words)
      select number, array_to_tsvector(string_to_array(terms, ' '))
      from json_to_recordset(${JSON.stringify(rows)}::json) as added (number bigint, terms text)`.execute(trx)
  }

  async *wordEntries(): AsyncGenerator<Entry[]> {
    for (let after = -1; ; ) {
      const rows = await this.rowsOf<{ number: number; terms: string[] }>(
        `select number, tsvector_to_array(words) as terms from author_words where number > $1 order by number limit ${AUTHORS_AT_ONCE}`,
        after
      )
      yield rows.flatMap(({ number, terms }) => terms.map((term): Entry => [number, term]))
      const last = rows.at(-1)
      if (last === undefined) return
      after = last.number
    }
  }

  asIndexed(term: string): string {
    return clipped(term)
  }

  async setLastNumber(trx: Db, table: MovedTable, number: number): Promise<void> {
    const sequence = await this.sequenceOf(table)
    if (sequence === undefined || number === 0) return
    await sql`select setval(${sequence}::regclass, greatest(${number}::bigint, (select last_value from ${sql.raw(sequence)})))`.execute(
      trx
    )
  }

  async empty(): Promise<void> {
    const tables = [...MOVED_TABLES.map(({ name }) => name), 'author_words']
    const statements = ['begin', `truncate ${tables} restart identity`, `drop table ${MARK}`, 'commit']
    await this.explaining(this.connection.runAll(statements, LONGEST_STATEMENT_MS))
  }

  async settle(): Promise<void> {
    await this.rowsOf('analyze')
  }
}
