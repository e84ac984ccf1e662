/** Commands for tests of the writer. In its thread they can have it misbehave, as the variable MUTANT says. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { isMainThread, parentPort } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import { serviceCommand } from '../../../../db/command.ts'
import { Problem } from '../../../../db/problems.ts'
import { Connection } from '../../../../db/sqlite/connection.ts'
import type { Db } from '../../../../db/tables.ts'

/** `flood` fills the disk, upon which SQLite undoes the whole transaction; `orphan` breaks a foreign key at COMMIT. */
export type Op =
  | { do: 'set' | 'insert' | 'touch'; key: string }
  | { do: 'orphan' }
  | { do: 'flood' }
  | { do: 'die' }
  | { do: 'break the disk' }
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

/** Does the steps, with a value for each that says whose it is. */
export const play = serviceCommand(
  'testPlay',
  async (trx, { who, steps }: { who: string; steps: Step[] }): Promise<Report> => {
    const report: Report = { who, found: await findAll(trx), outcomes: [] }
    for (const [index, { op, pauses, isCaught }] of steps.entries()) {
      if (pauses) await yieldToEventLoop()
      if (op.do === 'refuse') {
        report.outcomes.push('refused')
        throw new Problem('STALE_VERSION', [JSON.stringify(report)])
      }
      const outcome = await perform(trx, op, `${who}.${index}`)
      report.outcomes.push(outcome)
      if (typeof outcome !== 'number' && !isCaught)
        throw new Problem('STALE_VERSION', [JSON.stringify(report)])
    }
    return report
  }
)

const disk = { isBroken: false }

async function findAll(trx: Db): Promise<Report['found']> {
  const { rows } = await sql<{ count: number; entries: string }>`
    select (select count(*) from journal) as count,
      (select json_group_array(json_array(key, value)) from (select * from entries order by key)) as entries
  `.execute(trx)
  const { count, entries } = rows[0] as { count: number; entries: string }
  return { count, entries: JSON.parse(entries) }
}

async function perform(
  trx: Db,
  op: Exclude<Op, { do: 'refuse' }>,
  value: string
): Promise<number | 'duplicate'> {
  try {
    return await change(trx, op, value)
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return 'duplicate'
    throw error
  }
}

async function change(trx: Db, op: Exclude<Op, { do: 'refuse' }>, value: string): Promise<number> {
  if (op.do === 'die') process.exit()
  if (op.do === 'break the disk') {
    disk.isBroken = true
    return 0
  }
  if (op.do === 'flood') return flood(trx)
  const { numAffectedRows } = await statementOf(op, value).execute(trx)
  return Number(numAffectedRows)
}

async function flood(trx: Db): Promise<number> {
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(trx)
  await sql`pragma max_page_count = ${sql.lit((rows[0]?.page_count ?? 0) + 100)}`.execute(trx)
  try {
    await sql`insert into ballast values (zeroblob(2000000))`.execute(trx)
  } finally {
    await sql`pragma max_page_count = 1000000000`.execute(trx).catch(() => {})
  }
  return 1
}

function statementOf(op: { do: 'set' | 'insert' | 'touch'; key: string } | { do: 'orphan' }, value: string) {
  if (op.do === 'orphan') return sql`insert into orphans values (1)`
  if (op.do === 'insert') return sql`insert into entries values (${op.key}, ${value})`
  if (op.do === 'touch') return sql`update entries set value = ${value} where key = ${op.key}`
  return sql`insert into entries values (${op.key}, ${value})
    on conflict (key) do update set value = excluded.value`
}

const { exec } = Connection.prototype

/** What a broken disk does at COMMIT. */
function breakSync(): void {
  Connection.prototype.exec = function (this: Connection, statement: string) {
    if (statement !== 'commit' || !disk.isBroken) return exec.call(this, statement)
    exec.call(this, 'rollback')
    throw new Sqlite.SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC')
  }
}

/** Wrong writers, each of which the model must find out. */
const MUTANTS: Record<string, () => void> = {
  'acknowledges before the commit'() {
    let open: Connection | undefined
    const { begin } = Connection.prototype
    Connection.prototype.exec = function (this: Connection, statement: string) {
      if (statement === 'commit') open = this
      else exec.call(this, statement)
    }
    Connection.prototype.begin = function (this: Connection) {
      if (open !== undefined) exec.call(open, 'commit')
      open = undefined
      begin.call(this)
    }
    const { get } = Object.getOwnPropertyDescriptor(Connection.prototype, 'inTransaction') as {
      get: () => boolean
    }
    Object.defineProperty(Connection.prototype, 'inTransaction', {
      get(this: Connection) {
        return open === undefined && get.call(this)
      }
    })
    setInterval(() => {
      if (open !== undefined) exec.call(open, 'commit')
      open = undefined
    }, 20).unref()
  },
  'undoes the neighbours of a failed member'() {
    Connection.prototype.exec = function (this: Connection, statement: string) {
      if (!statement.startsWith('rollback to')) return exec.call(this, statement)
      exec.call(this, 'rollback')
      this.begin()
      exec.call(this, statement.replace('rollback to', 'savepoint'))
    }
  },
  'does not undo what a failed member wrote'() {
    Connection.prototype.exec = function (this: Connection, statement: string) {
      if (!statement.startsWith('rollback to')) exec.call(this, statement)
    }
  },
  'loses an answer'() {
    changeAnswers((answers) => (answers.length > 1 ? answers.slice(1) : answers))
  },
  'answers the wrong request'() {
    changeAnswers((answers) =>
      answers.map(([id], i) => [id, (answers[i + 1] ?? (answers[0] as unknown[]))[1]])
    )
  }
}

export const mutants = Object.keys(MUTANTS)

function changeAnswers(change: (answers: unknown[][]) => unknown[][]): void {
  const port = parentPort as NonNullable<typeof parentPort>
  const post = port.postMessage.bind(port)
  port.postMessage = (message: { answers?: unknown[][] }) =>
    post(message.answers === undefined ? message : { ...message, answers: change(message.answers) })
}

if (!isMainThread) {
  breakSync()
  MUTANTS[process.env.MUTANT ?? '']?.()
}
