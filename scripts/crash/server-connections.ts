/** What a server does for a service that was killed. */
import { setTimeout as pause } from 'node:timers/promises'
import { Connection, serverOf } from '../../db/postgres/connection.ts'
import type { Place } from './place.ts'

const OTHERS = `select pid from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`
const THEIR_END = 'select pid from pg_stat_activity where pid = any($1::int[])'
const PATIENCE_MS = 30_000
const POLL_MS = 20

/**
 * Gives what waits until the server has ended all connections that there are now: only then is it settled what becomes of the transactions
 * that the service had begun. Throws when it keeps one. Of a file there are none.
 */
export async function connectionsEnding({ databaseUrl, spoolDir }: Place): Promise<() => Promise<void>> {
  if (spoolDir === undefined) return async () => {}
  const ask = (sql: string, ...parameters: unknown[]) => askServer(databaseUrl, sql, parameters)
  const left = await ask(OTHERS)
  return async () => {
    const end = performance.now() + PATIENCE_MS
    for (let still = left; still.length > 0; still = await ask(THEIR_END, still)) {
      if (performance.now() > end) throw new Error(`connections of a killed service: ${still.join()}`)
      await pause(POLL_MS)
    }
  }
}

async function askServer(url: string, sql: string, parameters: unknown[]): Promise<number[]> {
  const connection = await Connection.open(serverOf(url), { name: 'crash test' })
  try {
    const { rows } = await connection.run({ sql, parameters })
    return (rows as { pid: number }[]).map(({ pid }) => pid)
  } finally {
    await connection.close()
  }
}
