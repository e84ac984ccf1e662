/** Commands for tests of the writer. In its thread they can have it misbehave, as the variable MUTANT says. */
import { isMainThread, parentPort } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'
import { sql } from 'kysely'
import { serviceCommand } from '../../../../db/command.ts'
import { Connection } from '../../../../db/sqlite/connection.ts'
import type { Db } from '../../../../db/tables.ts'
import { type Found, type Op, playSteps, type Step, statementOf } from '../../model/playing.ts'

export const play = serviceCommand('testPlay', (trx, input: { who: string; steps: Step[] }) =>
  playSteps(trx, input, { findAll, perform })
)

const disk = { isBroken: false }

export async function findAll(trx: Db): Promise<Found> {
  const { rows } = await sql<{ count: number; entries: string }>`
    select (select count(*) from journal) as count,
      (select json_group_array(json_array(key, value)) from (select * from entries order by key)) as entries
  `.execute(trx)
  const { count, entries } = rows[0] as { count: number; entries: string }
  return { count, entries: JSON.parse(entries) }
}

async function perform(trx: Db, op: Op, value: string): Promise<number | string> {
  try {
    return await change(trx, op, value)
  } catch (error) {
    if ((error as { code?: string }).code === 'SQLITE_CONSTRAINT_PRIMARYKEY') return 'duplicate'
    throw error
  }
}

async function change(trx: Db, op: Op, value: string): Promise<number> {
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
    const commitLate = () => {
      const connection = open
      open = undefined
      // It may have been closed.
      if (connection?.inTransaction) exec.call(connection, 'commit')
    }
    const { begin } = Connection.prototype
    Connection.prototype.exec = function (this: Connection, statement: string) {
      if (statement === 'commit') open = this
      else exec.call(this, statement)
    }
    Connection.prototype.begin = function (this: Connection) {
      commitLate()
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
    setInterval(commitLate, 20).unref()
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
