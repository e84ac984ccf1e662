import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyReply {
    /** Sends the chunks as they come; no more than one waits for the client, and whoever takes none for a minute is cut off. */
    stream(chunks: AsyncIterable<string | Buffer>): FastifyReply
  }
}

const LONGEST_STALL_MS = 60_000

async function streamsPlugin(fastify: FastifyInstance) {
  fastify.decorateReply(
    'stream',
    function stream(this: FastifyReply, chunks: AsyncIterable<string | Buffer>) {
      const patient = cuttingOffStalled(chunks, () => this.raw.destroy())
      return this.send(Readable.from(patient, { objectMode: true, highWaterMark: 1 }))
    }
  )
}

async function* cuttingOffStalled(chunks: AsyncIterable<string | Buffer>, cutOff: () => void) {
  for await (const chunk of chunks) {
    const timer = setTimeout(cutOff, LONGEST_STALL_MS)
    try {
      // Comes back when the client has taken the chunk.
      yield chunk
    } finally {
      clearTimeout(timer)
    }
  }
}

export default fp(streamsPlugin, { name: 'streams' })
