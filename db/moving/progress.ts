import { sql } from 'kysely'
import { DatabaseRefused } from '../refusals.ts'
import type { Db } from '../tables.ts'
import { MARK } from './mark.ts'
import type { Key } from './slices.ts'

/** How far a move is: all tables before this one are copied, and of this one the rows up to a key. */
export interface Position {
  table: number
  after: Key | undefined
}

/** What the target says of the move to it. */
export interface Progress extends Position {
  /** The name of what is moved, for people. */
  source: string
  /** Of the source when the move began; empty before it was known. */
  state: string
}

const table = sql.table(MARK)

export const BEGINNING: Position = { table: 0, after: undefined }

/** How far the move to this database is; it must be one that is half moved. */
export async function readProgress(db: Db): Promise<Progress> {
  const { rows } = await sql<{
    source: string
    state: string
    position: string
  }>`select * from ${table}`.execute(db)
  const [{ source, state, position } = { source: '', state: '', position: '' }] = rows
  return { source, state, ...fromText(position) }
}

/** Marks the database as half moved. */
export async function beginProgress(db: Db, source: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`create table ${table} (source text not null, state text not null, position text not null)`.execute(
      trx
    )
    await sql`insert into ${table} values (${source}, '', ${toText(BEGINNING)})`.execute(trx)
  })
}

/** Says of which state of the source it is to be a copy. */
export async function setState(db: Db, { source, state }: Pick<Progress, 'source' | 'state'>): Promise<void> {
  await sql`update ${table} set source = ${source}, state = ${state}`.execute(db)
}

/** In the transaction of what has brought the move so far. Throws when another process has done so meanwhile. */
export async function advance(trx: Db, from: Position, to: Position): Promise<void> {
  const { numAffectedRows } = await sql`update ${table} set position = ${toText(to)}
    where position = ${toText(from)}`.execute(trx)
  if (numAffectedRows !== 1n)
    throw new DatabaseRefused('Another process moves to the same database: let one of them do it.')
}

/** Marks the database as complete. */
export async function endProgress(trx: Db): Promise<void> {
  await sql`drop table ${table}`.execute(trx)
}

function toText({ table, after }: Position): string {
  return JSON.stringify({ table, after })
}

function fromText(text: string): Position {
  const { table, after } = JSON.parse(text)
  return { table, after }
}
