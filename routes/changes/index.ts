import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Change, lastSequence, listChanges } from '../../db/changes.ts'
import { ChangePage, ChangeStream, ChangesQuery, StreamHeaders, StreamQuery } from '../../schemas/changes.ts'
import { TooManyStreams } from '../../schemas/errors.ts'
import { answer, answerAs } from '../../schemas/ref.ts'

const CHANGES_AT_ONCE = 100
const HEARTBEAT_MS = 15_000
const STREAMS_A_USER = 10

/** The change log of all authors, in pages and as a stream. */
const changes: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db, changesFeed } = fastify
  const streamsAUser = fastify.shareOf(STREAMS_A_USER)
  const open = new Map<string, number>()
  const openOf = (userId: string) => open.get(userId) ?? 0

  /** Counts a stream, until the function that is given is called, however often. */
  function count(userId: string): () => void {
    open.set(userId, openOf(userId) + 1)
    let isOpen = true
    return () => {
      if (isOpen) open.set(userId, openOf(userId) - 1)
      isOpen = false
    }
  }

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
        'The last page has no `next`; ask again later with the sequence number of the last change that you have.',
      querystring: ChangesQuery,
      response: { 200: answer('A page of changes.', ChangePage, ['Link']) }
    },
    handler: async (request, reply) => {
      const { since = 0, limit = 20 } = request.query
      const found = await listChanges(db, { limit: limit + 1, after: since })
      const data = found.slice(0, limit)
      if (found.length <= limit) return { data, next: null }
      const next = `/changes?since=${data.at(-1)?.sequence}&limit=${limit}`
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
        'Go on after a break with `Last-Event-ID`; nothing is left out and nothing comes twice. The stream ends with the session.',
      querystring: StreamQuery,
      headers: StreamHeaders,
      response: { 200: answerAs('Events without end.', { 'text/event-stream': ChangeStream }) }
    },
    config: { errors: [TooManyStreams] },
    handler: async (request, reply) => {
      const { user, query, headers } = request
      const since = Number(headers['last-event-id'] ?? query.since ?? (await lastSequence(db)))
      reply.type('text/event-stream; charset=utf-8').header('cache-control', 'no-store')
      if (request.method === 'HEAD') return reply.send()
      if (openOf(user.id) >= streamsAUser) throw new TooManyStreams(streamsAUser)
      const close = count(user.id)
      // Of a stream that has ended by itself, or of which the client has gone before it had begun.
      reply.raw.once('close', close)
      // The stream ends when the service does, which must not wait for its connection to be used again.
      return reply.header('connection', 'close').stream(events())

      async function* events() {
        try {
          // At once, so that the client knows that it is connected.
          yield ': changes\n\n'
          for (let after = since; !isClosing && (await isStillGood()); ) {
            const found = await listChanges(db, { limit: CHANGES_AT_ONCE, after })
            after = found.at(-1)?.sequence ?? after
            if (found.length > 0) yield found.map(toEvent).join('')
            else if (!(await changesFeed.waitFor(after, HEARTBEAT_MS))) yield ': still here\n\n'
          }
        } finally {
          close()
        }
      }

      function isStillGood() {
        return fastify.recheck(db, user).then(
          () => true,
          () => false
        )
      }
    }
  })
}

function toEvent(change: Change): string {
  return `id: ${change.sequence}\nevent: ${change.operation}\ndata: ${JSON.stringify(change)}\n\n`
}

export default changes
