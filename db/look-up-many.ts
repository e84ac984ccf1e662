import type { Compilable, SelectQueryBuilder } from 'kysely'
import { compiledOnce, rowAt } from './compiled.ts'
import type { Db, ReadDb, Tables } from './tables.ts'

/** Values a statement: few sizes, so that few statements are compiled, prepared and kept. */
const SIZES = [4, 16, 64] as const
const MOST = 64

/** Makes a function that looks up any number of values; `build` gets a full list of them. What is found may come twice. */
export function lookUp<Value extends object>() {
  return <Found>(build: (db: Db, values: Value[]) => Compilable<Found>) => {
    const selects = SIZES.map((size) => ({
      size,
      select: compiledOnce<Value[]>()<Found>((db) =>
        build(
          db,
          Array.from({ length: size }, (_, index) => rowAt<Value>(index))
        )
      )
    }))
    const statementFor = (count: number) =>
      selects.find(({ size }) => size >= count) as (typeof selects)[number]

    return async (db: ReadDb, values: readonly Value[]): Promise<Found[]> => {
      const found: Found[] = []
      for (let from = 0; from < values.length; from += MOST) {
        const part = values.slice(from, from + MOST)
        const { size, select } = statementFor(part.length)
        found.push(...(await select(db, filledUp(part, size))).rows)
      }
      return found
    }
  }
}

/**
 * Makes such a function of a query for one value: for a list of pairs, PostgreSQL may plan to read an index to its end while the table is
 * empty, and keeps to that.
 */
export function lookUpEach<Value extends object>() {
  return <Found>(select: (db: Db, value: Value) => Pick<SelectQueryBuilder<Tables, never, Found>, 'as'>) =>
    lookUp<Value>()((db, values) =>
      values
        .map((value) => db.selectFrom(select(db, value).as('one')).selectAll())
        .reduce((all, one) => all.unionAll(one))
    )
}

/** To the size of the statement, with its last. */
function filledUp<Value>(part: Value[], size: number): Value[] {
  const missing = size - part.length
  return missing === 0 ? part : [...part, ...Array<Value>(missing).fill(part.at(-1) as Value)]
}
