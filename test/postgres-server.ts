/**
 * The PostgreSQL server that all test files share (`node test/postgres-server.ts PORT`): it ends when none has used it for a few seconds,
 * whatever became of them.
 */
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startPostgres } from '../scripts/postgres-server.ts'

const USED = 1
const IDLE_MS = 5000

/** Each file that uses the server has the lock `USED`, shared; who has it alone knows that there is none. */
async function waitUntilIdle(url: string): Promise<void> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  for (let idleSince = performance.now(); ; await sleep(500)) {
    const { rows } = await client.query(`select pg_try_advisory_lock(${USED}) as idle`)
    const isIdle = rows[0].idle === true
    if (!isIdle) idleSince = performance.now()
    // Who comes after this is not let in, but finds the server gone and starts another.
    else if (performance.now() > idleSince + IDLE_MS) return
    else await client.query(`select pg_advisory_unlock(${USED})`)
  }
}

if (import.meta.main) {
  const server = await startPostgres({ port: Number(process.argv[2]) })
  try {
    await waitUntilIdle(server.url)
  } finally {
    await server.stop()
    rmSync(server.folder, { recursive: true, force: true })
  }
}
