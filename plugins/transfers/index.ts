import type { Readable } from 'node:stream'
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { listAuthorsAfter } from '../../db/authors/reading.ts'
import { BatchSize } from '../../db/batch-size.ts'
import { databaseFile } from '../../db/dialect.ts'
import type { ReadDb } from '../../db/tables.ts'
import { BodyTooLarge, withExtras } from '../../schemas/errors.ts'
import { CSV } from '../../schemas/transfers.ts'
import { CSV_HEADER, toCsv } from './csv.ts'
import type { ImportJob, ImportSummary } from './import-job.ts'
import { Importer, type ImportWatcher } from './importer.ts'
import { toNdjson } from './ndjson.ts'
import { seldom } from './seldom.ts'
import { whileSpooled } from './spool.ts'
import { deleteStagedFiles, withStagedFile } from './staged-files.ts'

/** What an import tells while it runs: how many bytes of the upload have come, then how many rows have been looked at. */
export interface ImportProgress {
  bytes?: number
  rows?: number
}

export interface Transfers {
  /**
   * Imports the authors of a file, as `job` says, once it has come whole; one file at a time, in another thread.
   * Throws `BodyTooLarge`, and what `fastify.run` throws.
   */
  importAuthors(
    request: FastifyRequest,
    source: Readable,
    job: Omit<ImportJob, 'ownerId'>,
    onProgress?: (progress: ImportProgress) => void
  ): Promise<ImportSummary>
  /** The authors as a file of this media type, some 64 KiB at a time, the oldest first; each as it is when its turn comes. */
  exportAuthors(mediaType: string): AsyncGenerator<{ rows: number; text: string }>
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
  const file = databaseFile(config.DATABASE_URL)
  const importer = new Importer()
  fastify.addHook('onClose', () => importer.close())
  // Not for a script, nor for a worker that joins others, whose imports may run.
  if (!isJoining) fastify.addHook('onListen', async () => deleteStagedFiles(file))

  function refuseTooLarge(bytes: number): void {
    if (bytes <= config.IMPORT_LIMIT * MIB) return
    throw withExtras(new BodyTooLarge(`${config.IMPORT_LIMIT} MiB`), { headers: { connection: 'close' } })
  }

  fastify.decorate('transfers', {
    async importAuthors(request, source, job, onProgress = () => {}) {
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
      return whileSpooled(source, file, onChunk, (fd) =>
        withStagedFile(file, (staged) =>
          importer.run(
            { job: { ...job, ownerId: request.user.id }, files: { database: file, staged }, fd },
            watcher
          )
        )
      )
    },
    exportAuthors: (mediaType) => exportAuthors(db, mediaType)
  })
}

async function* exportAuthors(db: ReadDb, mediaType: string) {
  const toText = mediaType === CSV ? toCsv : toNdjson
  if (mediaType === CSV) yield { rows: 0, text: CSV_HEADER }
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
  dependencies: ['authenticate', 'body-timeout', 'database']
})
