import type { InsertObject } from 'kysely'
import { compiledOnce, rowAt } from './compiled.ts'
import type { Db, Tables } from './tables.ts'

/** Rows a statement: few sizes, so that few statements are compiled, prepared and kept. */
const SIZES = [64, 32, 16, 8, 4, 2, 1] as const

type Row = Record<string, unknown>
type Insert<Row> = (trx: Db, rows: Row[]) => Promise<unknown>

/** Makes a function that inserts any number of rows, each with just these columns. */
export function inserter<T extends keyof Tables>(table: T, columns: readonly (keyof Tables[T] & string)[]) {
  return inSizes<InsertObject<Tables, T>>((size) => compiledInsert(table, columns, size) as Insert<unknown>)
}

/** The same by statements that `build` makes, each for so many rows. */
export function inSizes<Row>(build: (size: number) => Insert<Row>) {
  const statements = SIZES.map((size) => ({ size, insert: build(size) }))

  return async function insertMany(trx: Db, rows: readonly Row[]): Promise<void> {
    let from = 0
    for (const { size, insert } of statements) {
      for (; rows.length - from >= size; from += size) await insert(trx, rows.slice(from, from + size))
    }
  }
}

function compiledInsert(table: keyof Tables, columns: readonly string[], size: number) {
  const valuesAt = (index: number) => {
    const row = rowAt<Row>(index)
    return Object.fromEntries(columns.map((column) => [column, row[column]]))
  }
  return compiledOnce<Row[]>()(
    (db) =>
      // biome-ignore lint/suspicious/noExplicitAny: rows of any table
      db.insertInto(table).values(Array.from({ length: size }, (_, index) => valuesAt(index)) as any),
    { resultIsUnused: true }
  )
}
