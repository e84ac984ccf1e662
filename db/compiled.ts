import type { Compilable, CompiledQuery, DialectAdapter, QueryResult } from 'kysely'
import type { Db } from './database.ts'

/**
 * A query that is compiled once for each engine and then run with other parameters, for compiling takes longer than most
 * queries themselves. `build` puts anything in the place of a parameter; they come in the order in which they stand there.
 */
export function compiledOnce<Row>(build: (db: Db) => Compilable<Row>) {
  const queries = new WeakMap<DialectAdapter, CompiledQuery<Row>>()

  function queryFor(db: Db): CompiledQuery<Row> {
    const { adapter } = db.getExecutor()
    const known = queries.get(adapter)
    if (known !== undefined) return known
    const query = build(db).compile()
    queries.set(adapter, query)
    return query
  }

  return (db: Db, parameters: readonly unknown[]): Promise<QueryResult<Row>> =>
    db.executeQuery({ ...queryFor(db), parameters })
}
