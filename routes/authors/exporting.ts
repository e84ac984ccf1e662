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
        'For every user. The rows are sent as they are read, in CSV or, with `Accept: application/x-ndjson`, in NDJSON; a whole file ends with the trailer fields `Row-Count` and `Repr-Digest`.',
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
      const { bom = false } = request.query
      if (bom && mediaType !== CSV) throw refusedParameter('bom', BOM_IS_FOR_CSV)
      reply.vary('Accept')
      reply
        .type(mediaType === CSV ? `${CSV}; charset=utf-8; header=present` : NDJSON)
        .header('content-disposition', `attachment; filename="${FILES[mediaType]}"`)
      if (request.method === 'HEAD') return reply.send()
      const close = fastify.streams.open('exports', request.user.id, reply)

      const digest = createHash('sha256')
      let rows = 0
      return reply.header('trailer', 'row-count, repr-digest').stream(counted())

      async function* counted() {
        try {
          for await (const part of fastify.transfers.exportAuthors(mediaType as string, { bom })) {
            rows += part.rows
            digest.update(part.text)
            yield part.text
          }
        } finally {
          close()
        }
        // Only a whole file has them.
        reply.raw.addTrailers({
          'row-count': String(rows),
          'repr-digest': `sha-256=:${digest.digest('base64')}:`
        })
      }
    }
  })
}

export default exporting
