/** The service as it is, on PostgreSQL, but that it tells at a socket what it has asked of the server since it was last asked that. */
import { createServer } from 'node:http'
import { Connection, type Result } from '../db/postgres/connection.ts'

/** A statement that was sent. */
export interface Sent {
  sql: string
  parameters: unknown[]
  /** On which connection. */
  connection: number
  /** Behind others whose answers had not come, so that it did not wait for them. */
  isTogether: boolean
}

export interface Counts {
  /** Each may be several statements in one message. */
  queries: number
  /** How often it waited: queries that are sent together are waited for once. */
  waits: number
  /** The last of them. */
  sent: Sent[]
}

const MOST_KEPT = 1000

let counts: Counts = { queries: 0, waits: 0, sent: [] }
const connections = new Map<Connection, { number: number; pending: number }>()

async function counted(
  connection: Connection,
  statements: Pick<Sent, 'sql' | 'parameters'>[],
  ask: () => Promise<Result>
): Promise<Result> {
  const state = connections.get(connection) ?? { number: connections.size, pending: 0 }
  connections.set(connection, state)
  const isTogether = state.pending > 0
  counts.queries += 1
  if (!isTogether) counts.waits += 1
  for (const [index, statement] of statements.entries()) {
    counts.sent.push({ ...statement, connection: state.number, isTogether: isTogether || index > 0 })
  }
  if (counts.sent.length > 2 * MOST_KEPT) counts.sent.splice(0, MOST_KEPT)
  state.pending += 1
  try {
    return await ask()
  } finally {
    state.pending -= 1
  }
}

const { run, runAll } = Connection.prototype
Connection.prototype.run = function (this: Connection, statement, ...rest) {
  const { sql, parameters } = statement
  return counted(this, [{ sql, parameters: [...parameters] }], () => run.call(this, statement, ...rest))
}
Connection.prototype.runAll = function (this: Connection, statements: string[], ...rest: []) {
  const all = statements.map((sql) => ({ sql, parameters: [] }))
  return counted(this, all, () => runAll.call(this, statements, ...rest))
}

createServer((_request, response) => {
  response.end(JSON.stringify(counts))
  counts = { queries: 0, waits: 0, sent: [] }
})
  .listen(process.env.COUNTS_SOCKET)
  .unref()
await import('../main.ts')
