import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Db } from './tables.ts'

/** A query that finds something when the sentence is true. */
export type Check = [sentence: string, query: string]

export interface Step {
  name: string
  /** What a row costs compared with the rows of other steps. */
  weight: number
  /** The query for the last of the numbers by which the step is cut into slices; without it, the step is done in one piece. */
  last?: string
  /** Where each slice touches pages all over a table, slices must be large. */
  leastRows?: number
  /** In slices they do the numbers after `@after` up to `@upTo`. */
  statements: string[]
}

/** How a migration brings rows to a new file: all in SQL, where the old file is the schema `old` and the new one `new`. */
export interface RebuildPlan {
  /** Queries whose rows differ when a copy that was begun before cannot go on. */
  state: string[]
  /** The new file takes at most so many times the bytes that the old one uses. */
  growth: number
  /** When all of these tables are empty, the migration itself does the work in place. */
  holders: string[]
  /** The tables of the old file that are not copied as they are. */
  replaced: string[]
  /** JavaScript functions that the statements call. */
  functions: Record<string, (...values: never[]) => string>
  /** What the old file must not have. */
  needs: Check[]
  tables: string[]
  steps: Step[]
  /** What may change in the old file while its `state` stays: all of this is done in the last transaction. */
  last: string[]
  /** What the new file must not have. */
  checks: Check[]
}

/** A rebuild that is due. */
export interface Rebuild {
  migration: string
  direction: 'up' | 'down'
  plan: RebuildPlan
}

/** How far a migration is that changes rows in place. */
export interface MigrationProgress {
  step: string
  /** Rows of this step, unless it is done in one piece. */
  done?: number
  of?: number
  percent: number
}

/** Authors that have become the same as others, whom the database has all the same: how many, and some by their slugs. */
export interface SameAuthors {
  count: number
  pairs: [first: string, later: string][]
}

export type MigrationNews = MigrationProgress | { same: SameAuthors }

/** A migration in place that takes long with many rows can tell how far it is, and which authors it has found to be the same. */
export interface TellingMigration {
  up(db: Db, tell: (news: MigrationNews) => void): Promise<void>
  down?(db: Db, tell: (news: MigrationNews) => void): Promise<void>
}

/** A migration that cannot change tables with rows in place. */
export interface RebuildingMigration extends Migration {
  rebuildUp: RebuildPlan
  rebuildDown: RebuildPlan
}

export function isRebuilding(migration: Migration | undefined): migration is RebuildingMigration {
  return migration !== undefined && 'rebuildUp' in migration
}

/** Whether there is anything that the migration itself would lose. */
export async function isRebuildNeeded(db: Db, { holders }: RebuildPlan): Promise<boolean> {
  for (const table of holders) {
    const { rows } = await sql.raw(`select 1 from ${table} limit 1`).execute(db)
    if (rows.length > 0) return true
  }
  return false
}
