/** Commands for tests of the writer on PostgreSQL. They run in the process of the test, which gives them what no command has. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { sql } from 'kysely'
import { serviceCommand } from '../../../../db/command.ts'
import { Problem } from '../../../../db/problems.ts'
import type { Db } from '../../../../db/tables.ts'

/** `orphan` breaks a foreign key at COMMIT, `abort` is an error of the server, `kill` ends the connection, but only the first time. */
export type Op =
  | { do: 'set' | 'insert' | 'touch'; key: string }
  | { do: 'orphan' }
  | { do: 'abort' }
  | { do: 'kill' }
  | { do: 'refuse' }

export interface Step {
  op: Op
  pauses: boolean
  /** Whether the command goes on after an error. */
  isCaught: boolean
}

/** What a command found, with the outcomes of its steps. */
export interface Report {
  who: string
  found: { count: number; entries: [string, string][] }
  outcomes: (number | string)[]
}

/** Those who have killed their connection once. */
export const killers = new Set<string>()
export const hooks = { async kill(_processId: number): Promise<void> {} }

/** Does the steps, with a value for each that says whose it is. */
export const play = serviceCommand(
  'testPlay',
  async (trx, { who, steps }: { who: string; steps: Step[] }): Promise<Report> => {
    const report: Report = { who, found: await findAll(trx), outcomes: [] }
    const refusal = () => new Problem('STALE_VERSION', [JSON.stringify(report)])
    for (const [index, { op, pauses, isCaught }] of steps.entries()) {
      if (pauses) await yieldToEventLoop()
      if (op.do === 'refuse') {
        report.outcomes.push('refused')
        throw refusal()
      }
      const outcome = await perform(trx, op, `${who}.${index}`)
      report.outcomes.push(outcome)
      if (typeof outcome !== 'number' && !isCaught) throw refusal()
    }
    return report
  }
)

export async function findAll(trx: Db): Promise<Report['found']> {
  const { rows } = await sql<Report['found']>`
    select (select count(*) from journal) as count,
      (select coalesce(json_agg(json_build_array(key, value) order by key), '[]') from entries) as entries
  `.execute(trx)
  return rows[0] as Report['found']
}

const CODES: Record<string, string> = { '23505': 'duplicate', '22012': 'aborted' }

async function perform(trx: Db, op: Exclude<Op, { do: 'refuse' }>, value: string): Promise<number | string> {
  if (op.do === 'kill') return kill(trx, value)
  try {
    const { numAffectedRows } = await statementOf(op, value).execute(trx)
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

function statementOf(op: Exclude<Op, { do: 'refuse' } | { do: 'kill' }>, value: string) {
  if (op.do === 'orphan') return sql`insert into orphans values (1)`
  if (op.do === 'abort') return sql`select 1 / 0`
  if (op.do === 'insert') return sql`insert into entries values (${op.key}, ${value})`
  if (op.do === 'touch') return sql`update entries set value = ${value} where key = ${op.key}`
  return sql`insert into entries values (${op.key}, ${value})
    on conflict (key) do update set value = excluded.value`
}
