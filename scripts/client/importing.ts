import { createReadStream, createWriteStream, constants as fileConstants } from 'node:fs'
import { access, mkdtemp, rm, stat } from 'node:fs/promises'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Static } from '@sinclair/typebox'
import type { ImportResult, RefusedRow } from '../../schemas/transfers.ts'
import { type Format, MEDIA_TYPES, STDIO } from './arguments.ts'
import { hasEvents, readEvents } from './events.ts'
import { explainConnection, Failure, fileFailure, notALibrary, type Problem, Refusal } from './failures.ts'
import { begin, interrupted, patiently, readAnswer, type Service } from './http.ts'
import type { ProgressBar } from './progress.ts'
import { RowCounter } from './rows.ts'

/** What became of the rows of an import. */
export type ImportCounts = Static<typeof ImportResult>

/** A file that can be read. */
export interface Source {
  name: string
  format: Format
  /** Undefined for what is no file on a disk: it can be read only once, and nobody knows how much it is. */
  size: number | undefined
  open(): Readable
}

export interface ImportOptions {
  partial: boolean
  dryRun: boolean
  /** What the columns stand for. */
  map?: string | undefined
}

/** Who gets all that is wrong with the refused rows. */
export interface RefusedListener {
  /** Forgets what it got when the file is sent again. */
  begin(): Promise<void>
  add(errors: RefusedRow[]): Promise<void>
}

type Sending = ImportOptions & { refused?: RefusedListener | undefined }

const CHUNK = 256 * 1024

/** The file, or stdin for `-`. Throws `Failure` when it cannot be read. */
export async function openSource(file: string, format: Format): Promise<Source> {
  if (file === STDIO) return { name: 'stdin', format, size: undefined, open: () => process.stdin }
  try {
    const status = await stat(file)
    await access(file, fileConstants.R_OK)
    if (status.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' })
    const open = () => createReadStream(file, { highWaterMark: CHUNK })
    return { name: file, format, size: status.isFile() ? status.size : undefined, open }
  } catch (error) {
    throw fileFailure('read', file, error)
  }
}

/** The same source as a file that can be read again; `discard` takes away what was made of stdin for that. Throws `Failure`. */
export async function readableTwice(source: Source): Promise<Source & { discard(): Promise<void> }> {
  const { name, format, size, open } = source
  if (size !== undefined) return { ...source, discard: async () => {} }
  const folder = await mkdtemp(path.join(tmpdir(), 'library-import-'))
  const discard = () => rm(folder, { recursive: true, force: true })
  const copy = path.join(folder, 'rows')
  try {
    await pipeline(open(), createWriteStream(copy, { mode: 0o600 }))
    return { ...(await openSource(copy, format)), name, discard }
  } catch (error) {
    await discard()
    throw error instanceof Failure ? error : fileFailure('read', name, error)
  }
}

/** Sends a file of authors, again after a while if the service is busy and the file can be read again. Throws `Failure`. */
export async function importAuthors(
  service: Service,
  source: Source,
  options: Sending,
  progress: ProgressBar
): Promise<ImportCounts> {
  const attempt = () => sendOnce(service, source, options, progress)
  if (source.size === undefined) return attempt()
  return patiently(service.signal, attempt, (seconds) =>
    progress.say(`The service is busy; the next try is in ${seconds} s.`)
  )
}

async function sendOnce(
  service: Service,
  source: Source,
  options: Sending,
  progress: ProgressBar
): Promise<ImportCounts> {
  await options.refused?.begin()
  const { request, answered } = begin(service, {
    method: 'POST',
    path: `/authors/import?${queryOf(options)}`,
    headers: {
      'content-type': MEDIA_TYPES[source.format],
      accept: 'text/event-stream, application/json;q=0.5',
      // Who refuses a file early and then closes the connection loses the refusal, for more of the file is on its way.
      connection: 'keep-alive'
    }
  })
  const body = source.open()
  const sent = upload(body, request, source)
  const onProgress = ({ bytes, rows }: { bytes?: number; rows?: number }) => {
    if (bytes !== undefined)
      progress.show({ label: 'Uploading', unit: 'bytes', done: bytes, total: source.size })
    if (rows !== undefined) progress.show({ label: 'Importing', unit: 'rows', done: rows, total: sent.rows })
  }
  try {
    return await readOutcome(service.url, await answered, { onProgress, refused: options.refused })
  } catch (error) {
    throw body.errored === null ? toFailure(error, service, request) : readingFailure(body.errored, source)
  } finally {
    body.destroy()
    request.destroy()
  }
}

function queryOf({ partial, dryRun, map, refused }: Sending): URLSearchParams {
  return new URLSearchParams({
    mode: partial ? 'partial' : 'all',
    ...(dryRun && { dry_run: 'true' }),
    ...(map && { map }),
    ...(refused && { refused: 'true' })
  })
}

/** Sends the body as fast as it is taken; an answer may come before all of it is sent. */
function upload(body: Readable, request: ClientRequest, { name, format }: Source): RowCounter {
  const counter = new RowCounter(format)
  body
    .on('data', (chunk: Buffer) => counter.add(chunk))
    .once('error', (error) => request.destroy(error))
    .once('end', () => {
      if (counter.bytes > 0) request.end()
      else
        body.destroy(new Failure(`There is nothing to import, for ${name} is empty: check which file it is.`))
    })
    .pipe(request, { end: false })
  return counter
}

async function readOutcome(
  url: string,
  response: IncomingMessage,
  {
    onProgress,
    refused
  }: { onProgress(progress: { bytes?: number; rows?: number }): void; refused: RefusedListener | undefined }
): Promise<ImportCounts> {
  if (!hasEvents(response)) return checked(url, await readAnswer(url, response).catch(asCounts))
  for await (const { event, data } of readEvents(response)) {
    if (event === 'progress') onProgress(JSON.parse(data))
    if (event === 'refused') await refused?.add(JSON.parse(data))
    if (event === 'result') return checked(url, JSON.parse(data))
    if (event === 'problem') {
      const problem: Problem & { status?: number } = JSON.parse(data)
      return asCounts(new Refusal(url, problem.status ?? 500, problem))
    }
  }
  throw Object.assign(new Error('no result'), { code: 'ECONNRESET' })
}

/** That rows were refused is an outcome like others. */
function asCounts(error: unknown): ImportCounts {
  if (!(error instanceof Refusal) || error.problem.code !== 'IMPORT_REFUSED') throw error
  return checked('', { errors: [], ...error.problem, dry_run: false })
}

function checked(url: string, answer: unknown): ImportCounts {
  if (Number.isInteger((answer as Partial<ImportCounts>)?.created)) {
    // An older service has none.
    return { ...{ reasons: [] }, ...(answer as ImportCounts) }
  }
  throw new Failure(notALibrary(url, 'its answer is no result of an import'))
}

function readingFailure(error: Error, { name }: Source): Failure {
  return error instanceof Failure ? error : fileFailure('read', name, error)
}

function toFailure(error: unknown, service: Service, request: ClientRequest): Failure {
  if (error instanceof Failure) return error
  const whatThen = request.writableFinished
    ? 'the service had the whole file and may have imported it; run this again, which imports nothing twice.'
    : 'the service did not get the whole file, so nothing was imported; run this again.'
  return new Failure(interrupted(service, whatThen) ?? explainConnection(service.url, error, whatThen))
}
