import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { NotAcceptable, refusedParameter, TooManyStreams } from '../../schemas/errors.ts'
import { answerAs } from '../../schemas/ref.ts'
import { AuthorsCsv, AuthorsNdjson, CSV, ExportQuery, NDJSON } from '../../schemas/transfers.ts'

const BOM_IS_FOR_CSV = 'is for CSV: no program that reads NDJSON expects a byte order mark, so leave it out'
const FILES = { [CSV]: 'authors.csv', [NDJSON]: 'authors.ndjson' }

const exporting: FastifyPluginAsyncTypebox = async (fastify) => {
  fastify.route<{ Querystring: ExportQuery }>({
    method: 'GET',
    url: '/export',
    schema: {
      operationId: 'exportAuthors',
      tags: ['authors'],
      summary: 'All authors as a file, the oldest first',
      description:
        'For every user. The rows are sent as they are read, in CSV or, with `Accept: application/x-ndjson`, in NDJSON; a whole file ends with the trailer fields `Row-Count` and `Repr-Digest`, and with `receipt=true` with a line that says the same, which no proxy drops.',
      querystring: ExportQuery,
      response: {
        200: answerAs(
          'The file, as CSV unless `Accept` asks for NDJSON.',
          { [CSV]: AuthorsCsv, [NDJSON]: AuthorsNdjson },
          ['Content-Disposition', 'Trailer']
        )
      }
    },
    config: { errors: [NotAcceptable, TooManyStreams] },
    handler: async (request, reply) => {
      const mediaType = request.accepts().type([CSV, NDJSON]) as keyof typeof FILES | false
      if (mediaType === false) throw new NotAcceptable(`${CSV} or ${NDJSON}`)
      const { bom = false, receipt = false } = request.query
      if (bom && mediaType !== CSV) throw refusedParameter('bom', BOM_IS_FOR_CSV)
      reply.vary('Accept')
      reply
        .type(mediaType === CSV ? `${CSV}; charset=utf-8; header=present` : NDJSON)
        .header('content-disposition', `attachment; filename="${FILES[mediaType]}"`)
      if (request.method === 'HEAD') return reply.send()
      const close = fastify.streams.open('exports', request.user.id, reply)
      // HTTP/1.0 has no trailers, and Node throws at one that is announced there.
      if (request.raw.httpVersion !== '1.0') reply.header('trailer', 'row-count, repr-digest')
      return reply.stream(counted())

      async function* counted() {
        const tally = new Tally()
        const about = { user_id: request.user.id, media_type: mediaType as string }
        let isWhole = false
        request.log.info({ event: 'export_began', ...about }, 'export began')
        try {
          for await (const part of fastify.transfers.exportAuthors(mediaType as string, { bom })) {
            yield tally.add(part)
          }
          // Only a whole file has these.
          if (receipt) yield tally.add({ rows: 0, text: tally.receipt() })
          reply.raw.addTrailers(tally.trailers())
          isWhole = true
        } finally {
          close()
          const counts = { ...about, rows: tally.rows }
          if (isWhole) request.log.info({ event: 'export_done', ...counts }, 'export done')
          else
            request.log.warn({ event: 'export_failed', ...counts }, 'export failed, or its client has gone')
        }
      }
    }
  })
}

/** What a file has, to be told at its end. */
class Tally {
  readonly #digest = createHash('sha256')
  #rows = 0

  add({ rows, text }: { rows: number; text: string }): string {
    this.#rows += rows
    this.#digest.update(text)
    return text
  }

  get rows(): number {
    return this.#rows
  }

  /** A line that no row can be, for a quote in a cell is doubled, and an author begins with its name. */
  receipt(): string {
    return `${JSON.stringify({ rows: this.#rows, sha256: this.#digest.copy().digest('hex') })}\n`
  }

  trailers(): Record<string, string> {
    return {
      'row-count': String(this.#rows),
      'repr-digest': `sha-256=:${this.#digest.copy().digest('base64')}:`
    }
  }
}

export default exporting
