import type { DatabaseEvent } from '../../db/database.ts'
import type { Instruments } from './instruments.ts'

const CALLS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
/** In seconds: a sync of a good disk takes less than the first, one that is in trouble more than the last. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** Counts what the engine tells of its writes; gives what learns of it. What the engine at hand knows nothing of stays 0. */
export function countEngineEvents(metrics: Instruments): (event: DatabaseEvent) => void {
  const calls = metrics.distribution(
    { name: 'library_batch_calls', help: 'Writes that shared a commit.' },
    CALLS
  )
  const commits = metrics.distribution(
    { name: 'library_batch_commit_seconds', help: 'How long commits took, with the sync of the disk.' },
    SECONDS
  )
  const locks = metrics.distribution(
    {
      name: 'library_batch_lock_wait_seconds',
      help: 'How long another process or instance kept the write lock before a batch began.'
    },
    SECONDS
  )
  const checkpoints = metrics.countBy(
    {
      name: 'library_checkpoints_total',
      help: 'Copies of the write-ahead log of SQLite into the database file, as far as they could be made.'
    },
    'outcome',
    ['copied', 'failed']
  )
  let pages: number | undefined
  metrics.gauge(
    {
      name: 'library_wal_pages',
      help: 'Pages in the write-ahead log of SQLite when it was last copied.',
      aggregator: 'max'
    },
    () => pages
  )
  const troubles = metrics.countBy(
    {
      name: 'library_database_troubles_total',
      help: 'What went wrong with the database, by the event that is logged for it.'
    },
    'event',
    ['batch_failed', 'batch_retried', 'commit_unknown', 'sync_failed', 'writer_ended']
  )

  return (event) => {
    switch (event.event) {
      case 'batch':
        calls.observe(event.calls)
        locks.observe(event.lockMs / 1000)
        // What was undone was not committed.
        if (event.commitMs > 0) commits.observe(event.commitMs / 1000)
        return
      case 'checkpoint':
        checkpoints.copied.add()
        pages = event.pages
        return
      case 'checkpoint_failed':
        return checkpoints.failed.add()
      default:
        if (Object.hasOwn(troubles, event.event)) troubles[event.event as keyof typeof troubles].add()
    }
  }
}
