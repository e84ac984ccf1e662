import type { Compilable, CompiledQuery, DialectAdapter, QueryResult, RawBuilder } from 'kysely'
import type { Db, ReadDb } from './tables.ts'

/** Of an engine that runs a compiled query itself, on its only connection: Kysely's way there takes as long as a short query. */
export interface DirectAdapter {
  run<Row>(query: CompiledQuery<Row>): QueryResult<Row>
}

/** Stands in a query for a value that is bound when the query is run. */
class Placeholder {
  readonly read: (values: never) => unknown

  constructor(read: (values: never) => unknown) {
    this.read = read
  }
}

/** A placeholder for what `read` takes of the values, typed as that, so that the query is checked as if it stood there. */
export function placeholder<Values, Value>(read: (values: Values) => Value): Value {
  return new Placeholder(read) as Value
}

function placeholdersFor<Values extends object>(): Values {
  const byName = { get: (_: object, name: string) => placeholder((values: never) => values[name]) }
  return new Proxy({}, byName) as Values
}

export interface Usage {
  /** Nobody asks how many rows it has changed: an engine need not wait for it before the next statement. */
  resultIsUnused?: boolean
}

/**
 * A query that is compiled once for each engine, and then run with other values: compiling takes longer than most queries
 * themselves. `build` gets a placeholder for each value, under its name.
 */
export function compiledOnce<Values extends object>() {
  return <Row>(
    build: (db: Db, values: Values) => Compilable<Row> | RawBuilder<Row>,
    { resultIsUnused = false }: Usage = {}
  ) => {
    const queries = new WeakMap<DialectAdapter, CompiledQuery<Row>>()

    function queryFor(db: ReadDb): CompiledQuery<Row> {
      const { adapter } = db.getExecutor()
      const known = queries.get(adapter)
      if (known !== undefined) return known
      const compiled = build(db as Db, placeholdersFor<Values>()).compile(db as Db)
      const query = resultIsUnused ? { ...compiled, resultIsUnused } : compiled
      queries.set(adapter, query)
      return query
    }

    return async (db: ReadDb, values: Values): Promise<QueryResult<Row>> => {
      const compiled = queryFor(db)
      const query = { ...compiled, parameters: bind(compiled.parameters, values) }
      const adapter: DialectAdapter & Partial<DirectAdapter> = db.getExecutor().adapter
      return adapter.run?.(query) ?? db.executeQuery(query)
    }
  }
}

/** A row of values, each a placeholder, in the list of rows that a statement is run with. */
export function rowAt<Row extends object>(index: number): Row {
  const byName = { get: (_: object, name: string) => placeholder((rows: never[]) => rows[index]?.[name]) }
  return new Proxy({}, byName) as Row
}

function bind(parameters: readonly unknown[], values: object): unknown[] {
  return parameters.map((parameter) =>
    parameter instanceof Placeholder ? parameter.read(values as never) : parameter
  )
}
