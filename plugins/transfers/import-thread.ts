/** The thread of an `Importer`: it parses, checks and stages rows, which takes long. What writes to the database is run by the service. */
import { read } from 'node:fs'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { parentPort } from 'node:worker_threads'
import type { StagingFiles } from '../../db/authors/staging.ts'
import { isUnavailable } from '../../db/dialect.ts'
import { type ImportJob, type ImportSummary, runImport } from './import-job.ts'
import { seldom } from './seldom.ts'

export interface ThreadInput {
  job: ImportJob
  files: StagingFiles
  /** An open file, which this process shares. */
  fd: number
}

/** An input comes when nothing runs; an output answers the command that was asked for. */
export type ToThread = ThreadInput | { output: unknown } | 'failed' | 'end'

export type FromThread =
  | { rows: number }
  | { command: string; input: object }
  | { summary: ImportSummary }
  | { unavailable: string }
  | { failure: unknown }

const CHUNK = 256 * 1024
const readAt = promisify(read)
/** There is one at a time, so that no more rows wait in the service than it is at. */
let command: PromiseWithResolvers<unknown> | undefined

function post(message: FromThread): void {
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

function runInService(name: string, input: object): Promise<unknown> {
  command = Promise.withResolvers<unknown>()
  post({ command: name, input })
  return command.promise
}

async function work({ job, files, fd }: ThreadInput): Promise<ImportSummary> {
  const service = {
    files,
    run: ({ name }: { name: string }, input: object) => runInService(name, input) as Promise<never>,
    onProgress: seldom((rows: number) => post({ rows }))
  }
  return runImport(service, Readable.from(bytesOf(fd)), job)
}

parentPort?.on('message', (message: ToThread) => {
  if (message === 'end') return parentPort?.close()
  if (message === 'failed') return command?.reject(new Error('a command failed'))
  if ('output' in message) return command?.resolve(message.output)
  work(message).then(
    (summary) => post({ summary }),
    (error) => post(isUnavailable(error) ? { unavailable: error.message } : { failure: error })
  )
})
