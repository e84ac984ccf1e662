/** Commands for tests of the writer on PostgreSQL. They run in the process of the test, which gives them what no command has. */
import { sql } from 'kysely'
import { serviceCommand } from '../../../../db/command.ts'
import type { Db } from '../../../../db/tables.ts'
import { type Found, type Op, playSteps, type Step, statementOf } from '../../model/playing.ts'

/** Those who have killed their connection once. */
export const killers = new Set<string>()
export const hooks = { async kill(_processId: number): Promise<void> {} }

export const play = serviceCommand('testPlay', (trx, input: { who: string; steps: Step[] }) =>
  playSteps(trx, input, { findAll, perform })
)

export async function findAll(trx: Db): Promise<Found> {
  const { rows } = await sql<Found>`
    select (select count(*) from journal) as count,
      (select coalesce(json_agg(json_build_array(key, value) order by key), '[]') from entries) as entries
  `.execute(trx)
  return rows[0] as Found
}

const CODES: Record<string, string> = { '23505': 'duplicate', '22012': 'aborted' }

async function perform(trx: Db, op: Op, value: string): Promise<number | string> {
  if (op.do === 'kill') return kill(trx, value)
  try {
    const statement = op.do === 'abort' ? sql`select 1 / 0` : statementOf(op, value)
    const { numAffectedRows } = await statement.execute(trx)
    return Number(numAffectedRows)
  } catch (error) {
    const outcome = CODES[(error as { code: string }).code]
    if (outcome === undefined) throw error
    return outcome
  }
}

async function kill(trx: Db, value: string): Promise<number> {
  if (killers.has(value)) return 0
  killers.add(value)
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
  await hooks.kill(rows[0]?.pid as number)
  await sql`select pg_sleep(0.1)`.execute(trx)
  return 0
}
