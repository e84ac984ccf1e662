import type { Copies } from './backups/copies.ts'
import type { NewsOptions } from './migration-news.ts'
import type { Applied } from './migrator.ts'

/** What a check has found. */
export interface Checked {
  /** A sentence each. */
  faults: string[]
  /** What to do about faults. */
  remedy: string
  /** What was checked, and what was not and why. */
  notes: string[]
}

/** What a vacuum has come to. */
export interface Vacuumed {
  /** In bytes. */
  before: number
  after: number
  notes: string[]
}

/** Hears what is done next. */
export type TellVacuum = (step: string) => void

/** What the operator does with a database, whether a service has it open or not. All of it throws `DatabaseRefused`. */
export interface Upkeep {
  migrateToLatest(options: NewsOptions): Promise<Applied[]>
  /** Undoes the last migration. */
  migrateDown(options: NewsOptions): Promise<Applied[]>
  /** All migrations that this version knows, and when each was run. */
  listMigrations(): Promise<readonly { name: string; executedAt?: Date | undefined }[]>
  /** Checks all that there is, and changes nothing. */
  check(): Promise<Checked>
  /** Writes all that there is once more, without what was deleted; nobody else may use the database meanwhile. */
  vacuum(tell: TellVacuum): Promise<Vacuumed>
  /** What copies the database, for backups. */
  readonly copies: Copies
}
