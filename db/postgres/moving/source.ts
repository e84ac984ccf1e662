import type { MoveSource } from '../../moving/side.ts'
import { MOVED_TABLES } from '../../moving/tables.ts'
import { DatabaseRefused } from '../../refusals.ts'
import type { Connection } from '../connection.ts'
import { isConflict } from '../errors.ts'
import { identityOf, PATIENCE_MS, refuseUsed, refusing, rowsOf, ServerSide } from './side.ts'

/** Throws `DatabaseRefused`. Nothing is changed, and until it is closed nobody can write to it. */
export async function openSource(url: string, place: string): Promise<MoveSource> {
  return refusing(url, async (connection) => {
    const side = new ServerSide(url, place, connection, await identityOf(connection))
    await refuseUsed(connection, place)
    await connection.runAll([
      'begin isolation level repeatable read read only',
      'set local idle_in_transaction_session_timeout = 0',
      'set local statement_timeout = 0',
      `set local lock_timeout = ${PATIENCE_MS}`
    ])
    const tables = await ownTables(connection)
    // Before the first read, which fixes the moment that all reads are of.
    if (tables.length > 0) await lock(connection, tables, place)
    return side
  })
}

async function lock(connection: Connection, tables: string[], place: string): Promise<void> {
  try {
    await connection.runAll([`lock table ${tables} in share mode`])
  } catch (error) {
    if (!isConflict(error)) throw error
    throw new DatabaseRefused(
      `${place} is in use (a transaction that has written to it is open): end that first, then try again.`
    )
  }
}

async function ownTables(connection: Connection): Promise<string[]> {
  const names = [...MOVED_TABLES.map(({ name }) => name), 'signing_keys']
  const rows = await rowsOf<{ name: string }>(
    connection,
    'select name from unnest($1::text[]) as name where to_regclass(name) is not null',
    names
  )
  return rows.map(({ name }) => name)
}
