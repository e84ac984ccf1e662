import { Kysely, sql } from 'kysely'
import type { Db, Tables } from '../../tables.ts'
import { Connection, type Server } from '../connection.ts'
import { type Runner, RunnerDialect } from '../dialect.ts'
import { isAfterFailure } from '../errors.ts'
import { TAKE_MIGRATION_LOCK } from '../locks.ts'

/** What goes through all rows may take long. */
export const LONGEST_STATEMENT_MS = 24 * 3_600_000
const LONGEST_WAIT_MS = 3_600_000

/** Runs statements that may take long. */
export function patientRunner(connection: Connection): Runner {
  return { run: (statement) => connection.run(statement, LONGEST_STATEMENT_MS) }
}

/** Does the work with a connection of its own. */
export async function withConnection<T>(server: Server, work: (db: Db) => Promise<T>): Promise<T> {
  const connection = await Connection.open(server, { name: 'migrations' })
  const { run } = patientRunner(connection)
  let failure: unknown
  const runner: Runner = {
    run: (statement) =>
      run(statement).catch((error) => {
        if (!isAfterFailure(error)) failure = error
        throw error
      })
  }
  try {
    return await work(new Kysely<Tables>({ dialect: new RunnerDialect(() => runner) }))
  } catch (error) {
    // Kysely's migrator asks on after a failure, and gives what it hears then.
    throw isAfterFailure(error) ? failure : error
  } finally {
    await connection.close()
  }
}

/**
 * Does the work in one transaction, while no other process migrates. Kysely's own lock is of the session, and would stay behind with one of
 * the connections of a pooler.
 */
export async function withMigrations<T>(server: Server, work: (db: Db) => Promise<T>): Promise<T> {
  return withConnection(server, (db) =>
    db.transaction().execute(async (trx) => {
      // The user may have shorter ones for all else.
      await sql`select set_config('lock_timeout', ${`${LONGEST_WAIT_MS}`}, true),
        set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`.execute(
        trx
      )
      await sql.raw(`select ${TAKE_MIGRATION_LOCK}`).execute(trx)
      return work(trx)
    })
  )
}
