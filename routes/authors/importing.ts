import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { ImportRefused, RoleRequired, refusedParameter, withExtras } from '../../schemas/errors.ts'
import { answerAs, bodyAs } from '../../schemas/ref.ts'
import {
  AuthorsCsv,
  AuthorsNdjson,
  CSV,
  CSV_TYPES,
  ImportEvents,
  ImportQuery,
  ImportResult,
  NDJSON,
  NDJSON_TYPES
} from '../../schemas/transfers.ts'

const EVENTS = 'text/event-stream'
/** Our own names first, which a refusal then names first too. */
const BODIES = {
  [CSV]: AuthorsCsv,
  [NDJSON]: AuthorsNdjson,
  ...Object.fromEntries(CSV_TYPES.map((type) => [type, AuthorsCsv])),
  ...Object.fromEntries(NDJSON_TYPES.map((type) => [type, AuthorsNdjson]))
}

type ImportRequest = FastifyRequest<{ Querystring: ImportQuery; Body: Readable }>

const importing: FastifyPluginAsyncTypebox = async (fastify) => {
  // The body is read as it comes, in place of all that is read otherwise.
  fastify.removeContentTypeParser(['application/json', 'application/merge-patch+json'])
  fastify.addContentTypeParser([...CSV_TYPES, ...NDJSON_TYPES], (_request, payload, done) =>
    done(null, payload)
  )

  fastify.route<{ Querystring: ImportQuery; Body: Readable }>({
    method: 'POST',
    url: '/import',
    onRequest: fastify.requireRole('editor'),
    schema: {
      operationId: 'importAuthors',
      tags: ['authors'],
      summary: 'Create the authors of a file',
      description:
        'For editors and admins. Rows that are there already, just so, are counted as unchanged, so a file can be sent again. A row with the name and book of another author and other content is refused.',
      querystring: ImportQuery,
      body: bodyAs(BODIES),
      response: {
        200: answerAs(
          'What became of the rows; as events with what goes on before.',
          { 'application/json': ImportResult, [EVENTS]: ImportEvents },
          ['X-Accel-Buffering']
        )
      }
    },
    config: { errors: [RoleRequired, ImportRefused] },
    handler: async (request, reply) => {
      reply.vary('Accept')
      const job = jobOf(request)
      const withEvents = request.accepts().type(['application/json', EVENTS]) === EVENTS
      if (request.query.refused && !withEvents)
        throw refusedParameter('refused', `is for "Accept: ${EVENTS}"`)
      if (!withEvents) return runImport(request, job)
      reply
        .type(`${EVENTS}; charset=utf-8`)
        .headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
      return reply.stream(eventsOf(request, job))
    }
  })

  function jobOf({ query, mediaType: sentType = '' }: ImportRequest) {
    const { mode = 'all', dry_run: dryRun = false, map } = query
    const mediaType = CSV_TYPES.includes(sentType) ? CSV : NDJSON
    return { mediaType, mode, dryRun, columnMap: fastify.transfers.readColumnMap(map, mediaType) }
  }

  type Job = ReturnType<typeof jobOf>
  type Listener = Parameters<typeof fastify.transfers.importAuthors>[3]

  async function runImport(request: ImportRequest, job: Job, listener?: Listener) {
    const { mode, dryRun } = job
    const about = { user_id: request.user.id, mode, dry_run: dryRun }
    request.log.info({ event: 'import_began', ...about }, 'import began')
    try {
      const { errors, ...result } = await importAll(request, job, listener)
      const { created, unchanged, refused } = result
      request.log.info({ event: 'import_done', ...about, created, unchanged, refused }, 'import done')
      return { ...result, errors }
    } catch (error) {
      const { code, members } = error as { code?: string; members?: { refused?: number } }
      request.log.warn(
        { event: 'import_failed', ...about, code, refused: members?.refused },
        'import failed; see the code, or the failure under the same request id'
      )
      throw error
    }
  }

  async function importAll(request: ImportRequest, { mode, dryRun, ...job }: Job, listener?: Listener) {
    const summary = await fastify.transfers.importAuthors(
      request,
      request.body,
      { mode, dryRun, ...job },
      listener
    )
    const { errors, ...counts } = summary
    if (mode === 'all' && counts.refused > 0 && !dryRun) {
      throw withExtras(new ImportRefused(counts.refused), { errors, members: counts })
    }
    return { ...counts, dry_run: dryRun, errors }
  }

  function eventsOf(request: ImportRequest, job: Job): PassThrough {
    const events = new PassThrough()
    const sendText = (event: string, data: string) => events.write(`event: ${event}\ndata: ${data}\n\n`)
    const send = (event: string, data: object) => sendText(event, JSON.stringify(data))
    const ended = once(events, 'close').catch(() => {})

    async function onRefused(lists: AsyncIterable<string>) {
      for await (const list of lists) {
        if (events.destroyed) return
        if (!sendText('refused', list)) await Promise.race([once(events, 'drain'), ended])
      }
    }

    const listener = {
      onProgress: (progress: object) => send('progress', progress),
      ...(request.query.refused && { onRefused })
    }
    runImport(request, job, listener)
      .then((result) => send('result', result))
      .catch((error) => send('problem', request.problemOf(error)))
      .finally(() => events.end())
    return events
  }
}

export default importing
