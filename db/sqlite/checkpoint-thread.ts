/** The thread of a `Checkpointer`. */
import { parentPort, workerData } from 'node:worker_threads'
import Sqlite from 'better-sqlite3'

const PATIENCE_MS = 100

const database = new Sqlite(workerData, { fileMustExist: true, timeout: PATIENCE_MS })
database.pragma('synchronous = full')

/** Gives how many pages the log has. */
function checkpoint(mode: 'passive' | 'restart'): number {
  const [{ log = 0 } = {}] = database.pragma(`wal_checkpoint(${mode})`) as { log: number }[]
  return log
}

parentPort?.on('message', (message: 'passive' | 'restart' | 'end') => {
  if (message !== 'end') return parentPort?.postMessage(checkpoint(message))
  database.close()
  parentPort?.close()
})
