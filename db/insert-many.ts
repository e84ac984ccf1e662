import type { InsertObject } from 'kysely'
import { compiledOnce } from './compiled.ts'
import type { Db, Tables } from './database.ts'

type Run = ReturnType<typeof compiledOnce<unknown>>

/** Rows a statement: few sizes, so that few statements need be compiled, prepared and kept. */
const SIZES = [64, 16, 4, 1] as const

/** Makes a function that inserts any number of rows, each with just these columns. */
export function inserter<T extends keyof Tables>(table: T, columns: readonly (keyof Tables[T] & string)[]) {
  const statements = new Map<number, Run>(
    SIZES.map((size) => [
      size,
      compiledOnce((db) => db.insertInto(table).values(new Array(size).fill(templateRow(columns))))
    ])
  )

  return async function insertMany(trx: Db, rows: readonly InsertObject<Tables, T>[]): Promise<void> {
    let from = 0
    for (const size of SIZES) {
      const run = statements.get(size) as Run
      for (; rows.length - from >= size; from += size) {
        await run(trx, parametersOf(rows.slice(from, from + size), columns))
      }
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a row of any table
function templateRow(columns: readonly string[]): any {
  return Object.fromEntries(columns.map((column) => [column, 'a parameter']))
}

function parametersOf(rows: readonly object[], columns: readonly string[]): unknown[] {
  const parameters: unknown[] = []
  for (const row of rows as Record<string, unknown>[]) {
    for (const column of columns) parameters.push(row[column])
  }
  return parameters
}
