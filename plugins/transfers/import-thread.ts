/** The thread of an `Importer`: it stages rows, which takes long, and reads those of small files. What writes to the database is run by the service. */
import { parentPort } from 'node:worker_threads'
import type { StagingFiles } from '../../db/authors/staging.ts'
import { isUnavailable } from '../../db/dialect.ts'
import { type ImportJob, type ImportSummary, runImport } from './import-job.ts'
import { type RefusedTarget, refusedWriter } from './refused-file.ts'
import { RowReader } from './row-reader.ts'
import { seldom } from './seldom.ts'

export interface ThreadInput {
  job: ImportJob
  files: StagingFiles
  /** An open file, which this process shares. */
  fd: number
  /** Another one, for what is wrong with all rows that are refused; undefined when nobody asks. */
  refused: RefusedTarget | undefined
}

/** An input comes when nothing runs; an output answers the command that was asked for. */
export type ToThread = ThreadInput | { output: unknown } | 'failed' | 'end'

export type FromThread =
  | { rows: number }
  | { command: string; input: object }
  | { summary: ImportSummary }
  | { unavailable: string }
  | { failure: unknown }

/** There is one at a time, so that no more rows wait in the service than it is at. */
let command: PromiseWithResolvers<unknown> | undefined
const reader = new RowReader()

function post(message: FromThread): void {
  parentPort?.postMessage(message)
}

function runInService(name: string, input: object): Promise<unknown> {
  command = Promise.withResolvers<unknown>()
  post({ command: name, input })
  return command.promise
}

async function work({ job, files, fd, refused }: ThreadInput): Promise<ImportSummary> {
  const service = {
    files,
    run: ({ name }: { name: string }, input: object) => runInService(name, input) as Promise<never>,
    onProgress: seldom((rows: number) => post({ rows })),
    ...(refused && { onRefused: refusedWriter(refused) })
  }
  return runImport(service, reader.read(fd, job), job)
}

function end(): void {
  reader.close()
  parentPort?.close()
}

parentPort?.on('message', (message: ToThread) => {
  if (message === 'end') return end()
  if (message === 'failed') return command?.reject(new Error('a command failed'))
  if ('output' in message) return command?.resolve(message.output)
  work(message).then(
    (summary) => post({ summary }),
    (error) => post(isUnavailable(error) ? { unavailable: error.message } : { failure: error })
  )
})
