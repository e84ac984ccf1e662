/** What the two sides of the writer thread tell each other. */
import type { Call } from '../../command.ts'
import type { Usage } from '../open.ts'
import type { Migrating } from '../rebuild/progress.ts'
import type { FoundSame } from '../upkeep/migrating.ts'
import type { Outcome } from './outcome.ts'

export interface ThreadData {
  file: string
  usage: Usage
  commandFolders: string[]
  mostCalls: number | undefined
  /** What the file was to a thread before this one. */
  knownAs?: string | undefined
}

export type ToThread = { open: ThreadData } | { calls: [number, Call][] } | 'end' | 'exit'

export type Answer = [call: number, Outcome]
/** Calls that shared a commit, how long it took and another process kept the write lock before, and the calls that wait for the next. */
export type Batch = { calls: number; lockMs: number; commitMs: number; waiting: number }
/** Of so many pages in the write-ahead log so many are copied. */
type Checkpoint = { event: 'checkpoint'; pages: number; copied: number }

/** After a failed sync nothing may be written until the process starts again. */
export type Failure = { event: 'checkpoint_failed' | 'sync_failed'; reason: string }

export type FromThread =
  | 'ended'
  | { ready: string }
  | { refused: string }
  | { broken: { message: string; stack: string | undefined } }
  | { answers: Answer[]; batch: Batch }
  | Checkpoint
  | Failure
  | Migrating
  | FoundSame

/** What goes on, for logs and metrics. */
export type SqliteEvent =
  | ({ event: 'batch' } & Batch)
  | Checkpoint
  | Failure
  | Migrating
  | FoundSame
  | { event: 'writer_ended'; reason: string }
