/** The thread of a `Checkpointer`. */
import { parentPort, workerData } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'

/** A log of so many pages is begun anew, for which writers must wait a moment: under steady writes it would grow for ever. */
const LONG_LOG = 4000
const PATIENCE_MS = 100

const database = new Sqlite(workerData, { fileMustExist: true, timeout: PATIENCE_MS })
database.pragma('synchronous = full')

/** Without waiting for anybody; what could not be copied now is copied the next time. */
function checkpoint(): void {
  const [{ log = 0 } = {}] = database.pragma('wal_checkpoint(passive)') as { log: number }[]
  if (log > LONG_LOG) database.pragma('wal_checkpoint(restart)')
}

parentPort?.on('message', (message: 'checkpoint' | 'end') => {
  if (message === 'checkpoint') {
    checkpoint()
    parentPort?.postMessage('done')
  } else {
    database.close()
    parentPort?.close()
  }
})
