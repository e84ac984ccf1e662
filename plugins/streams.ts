import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { Overloaded, TooManyStreams } from '../schemas/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    streams: {
      /**
       * Counts a stream of this kind for a user until its connection is done with it; gives a function that ends the count sooner.
       * Throws `TooManyStreams` or `Overloaded`.
       */
      open(kind: StreamKind, userId: string, reply: FastifyReply): () => void
    }
  }
  interface FastifyReply {
    /** Sends the chunks as they come; no more than one waits for the client. */
    stream(chunks: AsyncIterable<string | Buffer>): FastifyReply
  }
}

export type StreamKind = 'streams of changes' | 'exports'

/** Each may keep some pieces of 64 KiB for a client that does not read. */
const MOST_OPEN: Record<StreamKind, number> = { 'streams of changes': 1000, exports: 100 }
const MOST_A_USER = 10

/** `fastify.streams` and `reply.stream`: answers that take long. A client that takes nothing of them is cut off as any other is. */
async function streamsPlugin(fastify: FastifyInstance) {
  const mostAUser = fastify.shareOf(MOST_A_USER)
  const counts = new Map<string, number>()
  const countOf = (key: string) => counts.get(key) ?? 0

  function add(key: string, difference: 1 | -1): void {
    const count = countOf(key) + difference
    if (count === 0) counts.delete(key)
    else counts.set(key, count)
  }

  fastify.metrics.gauge(
    {
      name: 'library_streams_open',
      help: 'Answers that go on for long: streams of changes, and exports.',
      label: 'kind'
    },
    () => ({ changes: countOf('streams of changes'), exports: countOf('exports') })
  )
  fastify.decorate('streams', {
    open(kind, userId, reply) {
      const keys = [kind, `${kind} ${userId}`] as const
      if (countOf(keys[1]) >= mostAUser) throw new TooManyStreams(mostAUser, kind)
      if (countOf(keys[0]) >= fastify.shareOf(MOST_OPEN[kind])) throw new Overloaded()
      for (const key of keys) add(key, 1)
      let isOpen = true
      const close = () => {
        if (isOpen) for (const key of keys) add(key, -1)
        isOpen = false
      }
      // Also when the client has gone before it began.
      reply.raw.once('close', close)
      return close
    }
  })
  fastify.decorateReply('stream', function stream(this: FastifyReply, chunks) {
    return this.send(Readable.from(chunks, { objectMode: true, highWaterMark: 1 }))
  })
}

export default fp(streamsPlugin, { name: 'streams', dependencies: ['metrics', 'share'] })
