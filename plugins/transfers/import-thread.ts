/** The thread of an `Importer`, for the transaction of an import would hold up all else. */
import { read } from 'node:fs'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { parentPort } from 'node:worker_threads'
import { openKysely } from '../../db/database.ts'
import { isUnavailable } from '../../db/dialect.ts'
import { type ImportJob, type ImportSummary, runImport } from './import-job.ts'
import { seldom } from './seldom.ts'

export interface ThreadInput {
  job: ImportJob
  databaseFile: string
  /** An open file, which this process shares. */
  fd: number
}

export type ThreadMessage =
  | { rows: number }
  | { summary: ImportSummary }
  | { unavailable: string }
  | { failure: unknown }

const CHUNK = 256 * 1024
const readAt = promisify(read)

function post(message: ThreadMessage): void {
  parentPort?.postMessage(message)
}

/** A stream of Node's would close the file, which is not ours. */
async function* bytesOf(fd: number): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(CHUNK), 0, CHUNK, position)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

async function work({ job, databaseFile, fd }: ThreadInput): Promise<ImportSummary> {
  const db = await openKysely(databaseFile, { isForImport: true })
  try {
    return await runImport(
      db,
      Readable.from(bytesOf(fd)),
      job,
      seldom((rows) => post({ rows }))
    )
  } finally {
    await db.destroy()
  }
}

parentPort?.on('message', (input: ThreadInput | 'end') => {
  if (input === 'end') return parentPort?.close()
  work(input).then(
    (summary) => post({ summary }),
    (error) => post(isUnavailable(error) ? { unavailable: error.message } : { failure: error })
  )
})
