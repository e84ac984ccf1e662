/** What the commands of a model do, on either engine. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { sql } from 'kysely'
import { Problem } from '../../../db/problems.ts'
import type { Db } from '../../../db/tables.ts'

type Keyed = { do: 'set' | 'insert' | 'touch'; key: string }
type Orphan = { do: 'orphan' }

/**
 * `orphan` breaks a foreign key at COMMIT. On SQLite `flood` fills the disk, upon which it undoes the whole transaction. On PostgreSQL
 * `abort` is an error of the server, and `kill` ends the connection, but only the first time.
 */
export type Op = Keyed | Orphan | { do: 'refuse' | 'flood' | 'die' | 'break the disk' | 'abort' | 'kill' }

export interface Step {
  op: Op
  pauses: boolean
  /** Whether the command goes on after an error. */
  isCaught: boolean
}

/** What a command found, with the outcomes of its steps. */
export interface Report {
  who: string
  found: Found
  outcomes: (number | string)[]
}

export interface Found {
  count: number
  entries: [string, string][]
}

interface Acts {
  findAll(trx: Db): Promise<Found>
  perform(trx: Db, op: Op, value: string): Promise<number | string>
}

/** Does the steps, with a value for each that says whose it is. */
export async function playSteps(
  trx: Db,
  { who, steps }: { who: string; steps: Step[] },
  { findAll, perform }: Acts
): Promise<Report> {
  const report: Report = { who, found: await findAll(trx), outcomes: [] }
  for (const [index, { op, pauses, isCaught }] of steps.entries()) {
    if (pauses) await yieldToEventLoop()
    const outcome = op.do === 'refuse' ? 'refused' : await perform(trx, op, `${who}.${index}`)
    report.outcomes.push(outcome)
    const isBad = typeof outcome !== 'number' && !isCaught
    if (op.do === 'refuse' || isBad) throw new Problem('STALE_VERSION', [JSON.stringify(report)])
  }
  return report
}

export function statementOf(op: Op, value: string) {
  if (!('key' in op)) return sql`insert into orphans values (1)`
  if (op.do === 'insert') return sql`insert into entries values (${op.key}, ${value})`
  if (op.do === 'touch') return sql`update entries set value = ${value} where key = ${op.key}`
  return sql`insert into entries values (${op.key}, ${value})
    on conflict (key) do update set value = excluded.value`
}
