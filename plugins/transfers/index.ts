import type { Readable } from 'node:stream'
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { listAuthorsAfter } from '../../db/authors/reading.ts'
import { BatchSize } from '../../db/batch-size.ts'
import type { Db } from '../../db/database.ts'
import { databaseFile } from '../../db/dialect.ts'
import { BodyTooLarge, InvalidToken, withExtras } from '../../schemas/errors.ts'
import { CSV } from '../../schemas/transfers.ts'
import { CSV_HEADER, toCsv } from './csv.ts'
import type { ImportJob, ImportSummary } from './import-job.ts'
import { Importer } from './importer.ts'
import { toNdjson } from './ndjson.ts'
import { seldom } from './seldom.ts'
import { whileSpooled } from './spool.ts'

/** What an import tells while it runs: how many bytes of the upload have come, then how many rows have been looked at. */
export interface ImportProgress {
  bytes?: number
  rows?: number
}

export interface Transfers {
  /**
   * Imports the authors of a file, as `job` says, once it has come whole; one file at a time, in another thread.
   * Throws `BodyTooLarge`, `InvalidToken`, or what makes the database unavailable.
   */
  importAuthors(
    request: FastifyRequest,
    source: Readable,
    job: Omit<ImportJob, 'user'>,
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
  const { db, config } = fastify
  const file = databaseFile(config.DATABASE_URL)
  const importer = new Importer()
  fastify.addHook('onClose', () => importer.close())

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
      const summary = await whileSpooled(source, file, onChunk, (fd) =>
        importer.run({ job: { ...job, user: request.user }, databaseFile: file, fd }, (rows) =>
          onProgress({ rows })
        )
      )
      if (!summary.isAllowed) throw new InvalidToken()
      return summary
    },
    exportAuthors: (mediaType) => exportAuthors(db, mediaType)
  })
}

async function* exportAuthors(db: Db, mediaType: string) {
  const toText = mediaType === CSV ? toCsv : toNdjson
  if (mediaType === CSV) yield { rows: 0, text: CSV_HEADER }
  const batch = new BatchSize()
  for (let after = ''; ; ) {
    const { rows: limit } = batch
    const authors = await listAuthorsAfter(db, { limit, after })
    const texts = batch.fitting(authors.map(toText))
    if (texts.length > 0) yield { rows: texts.length, text: texts.join('') }
    if (authors.length < limit && texts.length === authors.length) return
    after = authors[texts.length - 1]?.id as string
    // Or else nothing would ever wait, while the client is fast enough.
    await othersTurn()
  }
}

export default fp(transfersPlugin, {
  name: 'transfers',
  dependencies: ['authenticate', 'body-timeout', 'database']
})
