import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { BatchSize } from '../../db/batch-size.ts'
import { type Change, lastSequence, listChanges } from '../../db/changes.ts'
import { isUnavailable } from '../../db/dialect.ts'
import { withNames } from '../../db/user-names.ts'
import { ChangePage, ChangeStream, ChangesQuery, StreamHeaders, StreamQuery } from '../../schemas/changes.ts'
import { AccessTokenOnly, refusedParameter, TooManyStreams } from '../../schemas/errors.ts'
import { answer, answerAs } from '../../schemas/ref.ts'

const HEARTBEAT_MS = 15_000
/** A proxy such as nginx would hold events back until it has some kB of them. */
const UNBUFFERED = { 'x-accel-buffering': 'no' }

/** The change log of all authors, in pages and as a stream. */
const changes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db, changesFeed } = fastify
  let isClosing = false
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('preClose', async () => {
    isClosing = true
  })

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listChanges',
      tags: ['changes'],
      summary: 'The changes of all authors after a sequence number, the oldest first',
      description:
        'For every user. The last page has no `next`; ask again later with the sequence number of the last change that you have.',
      querystring: ChangesQuery,
      response: { 200: answer('A page of changes.', ChangePage, ['Link']) }
    },
    config: { errors: [AccessTokenOnly] },
    handler: async (request, reply) => {
      const { since = 0, limit = 20, include } = request.query
      if (include !== undefined) fastify.refuseKeyForNames(request)
      const found = await listChanges(db, { limit: limit + 1, after: since })
      const page = found.slice(0, limit)
      const data = include === undefined ? page : await withNames(db, page)
      if (found.length <= limit) return { data, next: null }
      const more = include === undefined ? '' : `&include=${include}`
      const next = `${request.basePath}/changes?since=${page.at(-1)?.sequence}&limit=${limit}${more}`
      reply.header('link', `<${next}>; rel="next"`)
      return { data, next }
    }
  })

  fastify.route({
    method: 'GET',
    url: '/stream',
    schema: {
      operationId: 'streamChanges',
      tags: ['changes'],
      summary: 'The changes of all authors as they happen, as server-sent events',
      description:
        'For every user. Go on after a break with `Last-Event-ID`; nothing is left out and nothing comes twice. The stream ends with the session.',
      querystring: StreamQuery,
      headers: StreamHeaders,
      response: {
        200: answerAs('Events without end.', { 'text/event-stream': ChangeStream }, ['X-Accel-Buffering'])
      }
    },
    config: { errors: [TooManyStreams] },
    handler: async (request, reply) => {
      const { user, query, headers } = request
      const since = Number(headers['last-event-id'] ?? query.since ?? (await lastSequence(db)))
      if (!Number.isSafeInteger(since))
        throw refusedParameter('last-event-id', `must be at most ${Number.MAX_SAFE_INTEGER}`)
      reply.type('text/event-stream; charset=utf-8').header('cache-control', 'no-store')
      if (request.method === 'HEAD') return reply.headers(UNBUFFERED).send()
      const close = fastify.streams.open('streams of changes', user.id, reply)
      const batch = new BatchSize()
      // The stream ends when the service does, which must not wait for its connection to be used again.
      return reply.headers({ ...UNBUFFERED, connection: 'close' }).stream(events())

      async function* events() {
        try {
          // At once, so that the client knows that it is connected.
          yield ': changes\n\n'
          for (let after = since; !isClosing; ) {
            const found = await look(after)
            if (found === undefined) return
            const events = batch.fitting(found.map(toEvent))
            after = found[events.length - 1]?.sequence ?? after
            if (events.length > 0) yield events.join('')
            else if (!(await changesFeed.waitFor(after, HEARTBEAT_MS))) yield ': still here\n\n'
          }
        } finally {
          close()
        }
      }

      /** What comes next; nothing while the database is away, and undefined when the session has ended. */
      async function look(after: number) {
        try {
          if (!(await fastify.isStillAllowed(user))) return undefined
          return await listChanges(db, { limit: batch.rows, after })
        } catch (error) {
          if (!isUnavailable(error)) throw error
          return []
        }
      }
    }
  })
}

function toEvent(change: Change): string {
  return `id: ${change.sequence}\nevent: ${change.operation}\ndata: ${JSON.stringify(change)}\n\n`
}

export default changes
