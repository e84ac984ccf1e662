/** A thread that watches the files of the database and kills the service at the moment that it waits for, or when time is up. */
import { statSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { Place } from './place.ts'
import { importUnderWay } from './staged-files.ts'
import { type Backfill, isUnderWay, readBackfill } from './wal-index.ts'

/**
 * In a checkpoint; while an import is staged, or written to the catalogue; while an account is deleted; or when the database is
 * opened, so that the recovery is interrupted.
 */
export type Moment = 'checkpoint' | 'staging' | 'importing' | 'deleting' | 'opening'

export interface Orders {
  pid: number
  place: Place
  moment: Moment
  afterRecovery: Backfill
  /** How many deletions are under way, which no file tells; shared with the thread of the clients. */
  deletions: Int32Array
  longestDelay: number
}

const POLL_MS = 0.05
const PATIENCE_MS = 60_000

const { pid, place, moment, afterRecovery, deletions, longestDelay }: Orders = workerData
const deadline = performance.now() + PATIENCE_MS
const openedBefore = lastOpened()
const isMoment = {
  checkpoint: () => isUnderWay(readBackfill(place), afterRecovery),
  staging: () => importUnderWay(place) === 'staging',
  importing: () => importUnderWay(place) === 'importing',
  deleting: () => Atomics.load(deletions, 0) > 0,
  opening: () => lastOpened() !== openedBefore
}[moment]

/** The first process that opens the database empties the index of the log, or makes a folder for its files. */
function lastOpened(): bigint {
  return statSync(place.spoolDir ?? `${place.databaseUrl}-shm`, { bigint: true }).mtimeNs
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))
const isTimeUp = () => performance.now() > deadline

do {
  while (!isMoment() && !isTimeUp()) Atomics.wait(sleeper, 0, 0, POLL_MS)
  Atomics.wait(sleeper, 0, 0, Math.random() * longestDelay)
  // When it has passed meanwhile, another will come.
} while (!isMoment() && !isTimeUp())
process.kill(pid, 'SIGKILL')
