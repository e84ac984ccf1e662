/** What SQLite's WAL index tells of checkpoints (https://sqlite.org/walformat.html#the_wal_index_file_format). */
import { closeSync, openSync, readSync } from 'node:fs'
import { endianness } from 'node:os'
import type { Place } from './place.ts'

const DONE_OFFSET = 96
const BEGUN_OFFSET = 128
const LENGTH = 132

/** Up to which frame of the log the pages were copied to the database, and up to which that was begun. */
export interface Backfill {
  done: number
  begun: number
}

/** A server has checkpoints of its own, which a service that is killed does not disturb. */
export function readBackfill({ databaseUrl, spoolDir }: Place): Backfill {
  if (spoolDir !== undefined) return { done: 0, begun: 0 }
  const header = Buffer.alloc(LENGTH)
  const file = openSync(`${databaseUrl}-shm`, 'r')
  readSync(file, header, 0, LENGTH, 0)
  closeSync(file)
  const numberAt = (offset: number) =>
    endianness() === 'LE' ? header.readUInt32LE(offset) : header.readUInt32BE(offset)
  return { done: numberAt(DONE_OFFSET), begun: numberAt(BEGUN_OFFSET) }
}

/** Whether a checkpoint has begun and not ended; after a recovery it looks so too, until the first one begins. */
export function isUnderWay(now: Backfill, afterRecovery: Backfill): boolean {
  return now.begun > now.done && now.begun !== afterRecovery.begun
}
