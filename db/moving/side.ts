/** The two sides of a move, as each engine gives them. */
import type { Indexed } from '../engine.ts'
import { DatabaseRefused } from '../refusals.ts'
import type { Db } from '../tables.ts'
import type { MovedTable } from './tables.ts'

export type Row = Record<string, string | number | null>

export interface Column {
  name: string
  /** Computed from others, so that it cannot be written. */
  isGenerated: boolean
}

/** One of the two databases could not do it now; the message says which, why, and what to do about it. */
export class SideUnavailable extends DatabaseRefused {}

/** What an error is told as that the engine explains by this; what it does not explain stays as it is. */
export function asUnavailable(error: unknown, explained: unknown): unknown {
  const isExplained = explained !== error && explained instanceof DatabaseRefused
  return isExplained ? new SideUnavailable(explained.message, { cause: error }) : error
}

/** Throws `SideUnavailable` where a database cannot be used. */
export interface MoveSide {
  /** For people, without a password. */
  readonly place: string
  /** The same only for the same database, however it is named. */
  readonly identity: string
  readonly db: Db
  columnsOf(table: string): Promise<Column[]>
  /** The greatest number that the database has ever given in this table, also to rows that are gone; 0 before the first. */
  lastNumberOf(table: MovedTable): Promise<number>
  close(): Promise<void>
}

/** What rows are read from: all of one moment, and while it is open nobody can write to it. */
export type MoveSource = MoveSide

/** A term of the word index, and the number of an author who has it. */
export type Entry = [number: number, term: string]

/** What rows are written to; nobody else can use it before the last of them is there. */
export interface MoveTarget extends MoveSide {
  /** Throws `DatabaseRefused` when a service or a script has the database too. */
  refuseOthers(): Promise<void>
  /** Inserts rows with just these columns. */
  insert(trx: Db, table: string, columns: readonly string[], rows: readonly Row[]): Promise<void>
  /** Lets authors be found by their terms. */
  addWords(trx: Db, authors: readonly Indexed[]): Promise<void>
  /** What the word index has, in any order, some at a time. */
  wordEntries(): AsyncIterable<Entry[]>
  /** A term as the word index has it. */
  asIndexed(term: string): string
  /** The next number that the database gives in this table is greater than this one. */
  setLastNumber(trx: Db, table: MovedTable, number: number): Promise<void>
  /** Takes away all that was written, and how far the move was. */
  empty(): Promise<void>
  /** Does what makes later reads fast, once all rows are there. */
  settle(): Promise<void>
}

export interface OpenTarget {
  /** Of the source: a target of the same identity is refused. */
  except: string
}
