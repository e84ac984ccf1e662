import type { Compilable } from 'kysely'
import { compiledOnce, rowAt } from './compiled.ts'
import type { Db, ReadDb } from './tables.ts'

/** One size for all, so that one statement is compiled, prepared and kept. */
const ROWS_A_STATEMENT = 64

/** Makes a function that looks up any number of values; `build` gets a full list of them. What is found may come twice. */
export function lookUp<Value extends object>() {
  return <Found>(build: (db: Db, values: Value[]) => Compilable<Found>) => {
    const select = compiledOnce<Value[]>()<Found>((db) =>
      build(
        db,
        Array.from({ length: ROWS_A_STATEMENT }, (_, index) => rowAt<Value>(index))
      )
    )

    return async (db: ReadDb, values: readonly Value[]): Promise<Found[]> => {
      const found: Found[] = []
      for (let from = 0; from < values.length; from += ROWS_A_STATEMENT) {
        const part = values.slice(from, from + ROWS_A_STATEMENT)
        found.push(...(await select(db, filledUp(part))).rows)
      }
      return found
    }
  }
}

/** To the size of the statement, with its last. */
function filledUp<Value>(part: Value[]): Value[] {
  const missing = ROWS_A_STATEMENT - part.length
  return missing === 0 ? part : [...part, ...Array<Value>(missing).fill(part.at(-1) as Value)]
}
