import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../tables.ts'
import type { Row } from './side.ts'
import type { MovedTable } from './tables.ts'

/** The values of the columns by which rows are ordered. */
export type Key = (string | number)[]

const FIRST_ROWS = 100
const MOST_ROWS = 2000
/** Some megabytes of text are in memory at once, and much more only where many short rows are followed by very long ones. */
const SLICE_LENGTH = 4_000_000
const MOST_GROWTH = 4

export interface Span {
  columns: readonly string[]
  after?: Key | undefined
}

export interface SliceOptions extends Span {
  mostRows?: number | undefined
}

/** How many rows a slice has, so that it is neither long nor short. */
export class SliceSize {
  readonly #most: number
  rows: number

  constructor(most = MOST_ROWS) {
    this.#most = most
    this.rows = Math.min(FIRST_ROWS, most)
  }

  adapt(rows: readonly Row[]): void {
    const factor = SLICE_LENGTH / Math.max(1, lengthOf(rows))
    const wanted = Math.round(rows.length * Math.min(factor, MOST_GROWTH))
    this.rows = Math.min(this.#most, Math.max(1, wanted))
  }
}

/** All rows of a table after a key, in slices, in the order of its key. */
export async function* slicesOf(
  db: Db,
  table: MovedTable,
  { columns, after, mostRows }: SliceOptions
): AsyncGenerator<Row[]> {
  const size = new SliceSize(mostRows)
  for (let key = after; ; ) {
    const rows = await readSlice(db, table, { columns, after: key, limit: size.rows })
    if (rows.length === 0) return
    yield rows
    if (rows.length < size.rows) return
    key = keyOf(table, rows.at(-1) as Row)
    size.adapt(rows)
  }
}

/** Up to `limit` rows after a key. */
export async function readSlice(
  db: Db,
  { name, key }: MovedTable,
  { columns, after, limit }: Span & { limit: number }
): Promise<Row[]> {
  // A file is read at once: signals and what is drawn would wait for all of it.
  await yieldToEventLoop()
  const where = after === undefined ? sql`` : sql`where (${names(key)}) > (${sql.join(after)})`
  const query = sql<Row>`select ${names(columns)} from ${sql.table(name)} ${where}
    order by ${names(key)} limit (${limit} + 0)`
  return (await query.execute(db)).rows
}

export function keyOf({ key }: MovedTable, row: Row): Key {
  return key.map((column) => row[column] as string | number)
}

export async function countRows(db: Db, { name }: Pick<MovedTable, 'name'>): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(name)}`.execute(db)
  return rows[0]?.count as number
}

function names(columns: readonly string[]): RawBuilder<unknown> {
  return sql.join(columns.map((column) => sql.ref(column)))
}

function lengthOf(rows: readonly Row[]): number {
  let length = 0
  for (const row of rows) {
    for (const value of Object.values(row)) length += typeof value === 'string' ? value.length : 8
  }
  return length
}
