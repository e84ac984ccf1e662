/** How each engine copies its databases, as `../sqlite/backups/copies.ts` and `../postgres/backups/copies.ts` do. */
import type { Contents } from './contents.ts'

/** How far something is. */
export interface Progress {
  step: string
  unit: 'bytes' | 'rows' | 'pages'
  done: number
  total: number
}

export type Tell = (progress: Progress) => void

/** What was copied. */
export interface Copied {
  contents: Contents
  /** The moment that all of it is of. */
  madeAt: Date
  /** Names in the folder. */
  files: string[]
  notes: string[]
}

/** What a check has found. */
export interface CheckedCopy {
  /** A sentence each. */
  faults: string[]
  /** What was checked, and what was not and why. */
  notes: string[]
}

/** A file of a backup, which has been compared with its checksum. */
export interface BackedUpFile {
  name: string
  bytes: number
  sha256: string
}

/** What checks the copies of an engine. */
export interface CopyChecker {
  /** Opens the copy in this folder and changes nothing of it. Throws `DatabaseRefused` where it cannot be checked. */
  checkCopy(folder: string, expected: Contents, tell: Tell): Promise<CheckedCopy>
}

/** What was done by a restore. */
export interface Restored {
  /** Where it is now, for people. */
  place: string
  /** What was there before, under its new name; undefined where nothing was. */
  setAside: string | undefined
}

/** What copies one database, and puts a copy in its place. All of it throws `DatabaseRefused`. */
export interface Copies extends CopyChecker {
  /** As manifests name it. */
  readonly engine: string
  /** Writes files with all of one moment to this folder, while others read and write. */
  copyTo(folder: string, tell: Tell): Promise<Copied>
  /** Refuses while a service or another of our programs has the database. */
  refuseUsed(): Promise<void>
  /** Puts what was copied in the place of the database, which is kept under another name: all or nothing. */
  restoreFrom(folder: string, files: readonly BackedUpFile[], tell: Tell): Promise<Restored>
}
