import type { Readable } from 'node:stream'
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { listAuthorsAfter } from '../../db/authors/reading.ts'
import { BatchSize } from '../../db/batch-size.ts'
import type { ReadDb } from '../../db/tables.ts'
import { BodyTooLarge, refusedParameter, withExtras } from '../../schemas/errors.ts'
import { CSV } from '../../schemas/transfers.ts'
import { type ColumnMap, parseColumnMap } from './column-map.ts'
import { CSV_HEADER, toCsv } from './csv.ts'
import type { ImportJob, ImportSummary } from './import-job.ts'
import { Importer, type ImportWatcher } from './importer.ts'
import { toNdjson } from './ndjson.ts'
import { type RefusedTarget, withRefusedFile } from './refused-file.ts'
import { seldom } from './seldom.ts'
import { whileSpooled } from './spool.ts'
import { deleteStagedFiles, withStagedFile } from './staged-files.ts'

/** What an import tells while it runs: how many bytes of the upload have come, then how many rows have been looked at. */
export interface ImportProgress {
  bytes?: number
  rows?: number
}

/** Who wants to know more of an import than its end. */
export interface ImportListener {
  onProgress?(progress: ImportProgress): void
  /** Gets what is wrong with all refused rows, once they are known: lists as JSON, in the order of the rows. */
  onRefused?(lists: AsyncIterable<string>): Promise<void>
}

export interface ExportOptions {
  /** Of CSV: a byte order mark comes first. */
  bom?: boolean
}

export interface Transfers {
  /** What `?map=` says of the columns. Throws `ValidationFailed`, also when the file has none. */
  readColumnMap(map: string | undefined, mediaType: string): ColumnMap
  /**
   * Imports the authors of a file, as `job` says, once it has come whole; one file at a time, in another thread.
   * Throws `BodyTooLarge`, and what `fastify.run` throws.
   */
  importAuthors(
    request: FastifyRequest,
    source: Readable,
    job: Omit<ImportJob, 'ownerId'>,
    listener?: ImportListener
  ): Promise<ImportSummary>
  /** The authors as a file of this media type, some 64 KiB at a time, the oldest first; each as it is when its turn comes. */
  exportAuthors(mediaType: string, options?: ExportOptions): AsyncGenerator<{ rows: number; text: string }>
}

declare module 'fastify' {
  interface FastifyInstance {
    transfers: Transfers
  }
}

const MIB = 1024 * 1024

/** `fastify.transfers`: authors in bulk, in and out, with bounded memory. */
async function transfersPlugin(fastify: FastifyInstance) {
  const { db, config, isJoining } = fastify
  const file = fastify.databaseFiles
  const importer = new Importer()
  fastify.addHook('onClose', () => importer.close())
  fastify.metrics.gauge(
    { name: 'library_imports', help: 'Imports that are run, and those that wait for that.', label: 'state' },
    () => importer.counts
  )
  // Not for a script, nor for a worker that joins others, whose imports may run.
  if (!isJoining) fastify.addHook('onListen', async () => deleteStagedFiles(file))

  function refuseTooLarge(bytes: number): void {
    if (bytes <= config.IMPORT_LIMIT * MIB) return
    throw withExtras(new BodyTooLarge(`${config.IMPORT_LIMIT} MiB`), { headers: { connection: 'close' } })
  }

  fastify.decorate('transfers', {
    readColumnMap(map = '', mediaType) {
      if (map === '') return []
      if (mediaType === CSV) return parseColumnMap(map)
      throw refusedParameter(
        'map',
        'is for CSV: NDJSON has no columns, so name the members of its objects as POST /authors does'
      )
    },
    async importAuthors(request, source, job, { onProgress = () => {}, onRefused } = {}) {
      const tellBytes = seldom((bytes: number) => onProgress({ bytes }))
      refuseTooLarge(Number(request.headers['content-length'] ?? 0))
      const onChunk = (bytes: number) => {
        refuseTooLarge(bytes)
        request.bodyTimer?.refresh()
        tellBytes(bytes)
      }
      const watcher: ImportWatcher = {
        runCommand: (command, input) => fastify.run(request.user, command, input),
        onRows: (rows) => onProgress({ rows })
      }
      const ownJob = { ...job, ownerId: request.user.id }
      const run = (refused?: RefusedTarget) =>
        whileSpooled(source, file, onChunk, (fd) =>
          withStagedFile(file, (staged) =>
            importer.run(
              { job: ownJob, files: { database: config.DATABASE_URL, staged }, fd, refused },
              watcher
            )
          )
        )
      if (onRefused === undefined) return run()
      return withRefusedFile(file, (fd) => run({ fd, mostBytes: config.IMPORT_LIMIT * MIB }), onRefused)
    },
    exportAuthors: (mediaType, options = {}) => exportAuthors(db, mediaType, options)
  })
}

async function* exportAuthors(db: ReadDb, mediaType: string, { bom = false }: ExportOptions) {
  const toText = mediaType === CSV ? toCsv : toNdjson
  if (mediaType === CSV) yield { rows: 0, text: bom ? `\uFEFF${CSV_HEADER}` : CSV_HEADER }
  const batch = new BatchSize()
  for (let after = 0; ; ) {
    const { rows: limit } = batch
    const authors = await listAuthorsAfter(db, { limit, after })
    const texts = batch.fitting(authors.map(({ author }) => toText(author)))
    if (texts.length > 0) yield { rows: texts.length, text: texts.join('') }
    if (authors.length < limit && texts.length === authors.length) return
    after = authors[texts.length - 1]?.number ?? after
    // While the client is fast enough, nothing else would wait.
    await othersTurn()
  }
}

export default fp(transfersPlugin, {
  name: 'transfers',
  dependencies: ['authenticate', 'body-timeout', 'database', 'metrics']
})
