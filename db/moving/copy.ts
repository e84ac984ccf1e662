import { parseRecord } from '../authors/table.ts'
import { termsOf } from '../authors/words.ts'
import type { Indexed } from '../engine.ts'
import { DatabaseRefused } from '../refusals.ts'
import type { Tell } from './events.ts'
import type { Layout } from './layout.ts'
import { advance, type Position } from './progress.ts'
import type { MoveSource, MoveTarget, Row } from './side.ts'
import { countRows, keyOf, slicesOf } from './slices.ts'
import { AUTHORS, MOVED_TABLES, type MovedTable } from './tables.ts'

export interface CopyOptions {
  source: MoveSource
  target: MoveTarget
  layout: Layout
  /** How far an earlier run was. */
  from: Position
  tell: Tell
  /** Of a slice. */
  mostRows?: number | undefined
}

/** Copies rows from one side to the other, each slice in a transaction with how far the move is then. */
export class Copying {
  readonly #source: MoveSource
  readonly #target: MoveTarget
  readonly #layout: Layout
  readonly #tell: Tell
  readonly #mostRows: number | undefined
  #position: Position
  #rows = 0

  constructor({ source, target, layout, from, tell, mostRows }: CopyOptions) {
    this.#source = source
    this.#target = target
    this.#layout = layout
    this.#position = from
    this.#tell = tell
    this.#mostRows = mostRows
  }

  /** Goes on from the position until all is copied; gives how many rows it was. */
  async run(): Promise<number> {
    const total = await countAll(this.#source)
    let done = await countAll(this.#target)
    if (done > 0) this.#tell({ event: 'resumed', done, total })
    for (let table = MOVED_TABLES[this.#position.table]; table !== undefined; ) {
      for await (const rows of this.#slicesInTurn(table)) {
        done += rows.length
        this.#rows += rows.length
        this.#tell({ event: 'copying', done, total })
      }
      await this.#endTable()
      table = MOVED_TABLES[this.#position.table]
    }
    await this.#target.settle()
    return this.#rows
  }

  /** The slices that are written, each while the next one is read. */
  async *#slicesInTurn(table: MovedTable): AsyncGenerator<Row[]> {
    const columns = this.#layout.written(table)
    const span = { columns, after: this.#position.after, mostRows: this.#mostRows }
    let writing: Promise<Row[]> | undefined
    for await (const rows of slicesOf(this.#source.db, table, span)) {
      const words = table === AUTHORS ? rows.map(indexedOf) : []
      if (writing !== undefined) yield await writing
      writing = this.#write(table, columns, rows, words)
      // It is waited for after the next read.
      writing.catch(() => {})
    }
    if (writing !== undefined) yield await writing
  }

  async #write(table: MovedTable, columns: readonly string[], rows: Row[], words: Indexed[]): Promise<Row[]> {
    const position = { ...this.#position, after: keyOf(table, rows.at(-1) as Row) }
    const slice = this.#target.db.transaction().execute(async (trx) => {
      await this.#target.insert(trx, table.name, columns, rows)
      if (words.length > 0) await this.#target.addWords(trx, words)
      await advance(trx, this.#position, position)
    })
    await slice.catch((error) => {
      throw this.#withPlace(error, table, rows)
    })
    this.#position = position
    return rows
  }

  /** What the target does not take is told with where it is. */
  #withPlace(error: unknown, table: MovedTable, rows: Row[]): unknown {
    if (error instanceof DatabaseRefused) return error
    const [first, last] = [rows[0], rows.at(-1)].map((row) => keyOf(table, row as Row).join())
    const { message } = error as Error
    return new DatabaseRefused(
      `${this.#target.place} does not take the rows of ${table.name} with ${table.key.join()} from ${first} to ${last} (${message}). ` +
        'No row is left out: mend them in FROM, then run the same command again.',
      { cause: error }
    )
  }

  async #endTable(): Promise<void> {
    const position = { table: this.#position.table + 1, after: undefined }
    await this.#target.db.transaction().execute((trx) => advance(trx, this.#position, position))
    this.#position = position
  }
}

export async function countAll({ db }: MoveSource): Promise<number> {
  let count = 0
  for (const table of MOVED_TABLES) count += await countRows(db, table)
  return count
}

function indexedOf(row: Row): Indexed {
  return { number: row.number as number, terms: termsOf(parseRecord(row.record as string)) }
}
