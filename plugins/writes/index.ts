import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Db } from '../../db/database.ts'
import { idempotencyKeyOf, KeysInUse, onceOnly } from './idempotency.ts'
import { preferredReturn } from './preferences.ts'

/** What a write answers. */
interface Answer {
  status: 200 | 201 | 204
  headers?: Record<string, string>
  body?: object
}

/** An answer as it is sent, and kept for repetitions. */
export interface FinalAnswer {
  status: number
  headers: Record<string, string>
  /** JSON. */
  body: string | null
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Does the work of a write in one transaction, in which it first looks again at who asks, and gives what the handler is to
     * return: the body of the answer as JSON, typed so that any handler may.
     * An `Idempotency-Key` is honoured on POST and PATCH, and `Prefer: return=minimal` (RFC 7240) everywhere.
     * Throws what `recheck` and the work throw, `IdempotencyKeyInUse` and `IdempotencyKeyReused`.
     */
    write(request: FastifyRequest, reply: FastifyReply, work: (trx: Db) => Promise<Answer>): Promise<never>
  }
}

async function writesPlugin(fastify: FastifyInstance) {
  const keysInUse = new KeysInUse()

  fastify.decorate('write', async (request, reply, work) => {
    const key = idempotencyKeyOf(request)
    const answerIn = async (trx: Db) => toFinal(await work(trx), request, reply)
    const transact = () =>
      fastify.db.transaction().execute(async (trx) => {
        await fastify.recheck(trx, request.user, request.user.role)
        return key === undefined ? answerIn(trx) : onceOnly(trx, request, key, () => answerIn(trx))
      })
    const answer = key === undefined ? await transact() : await keysInUse.hold(request.user.id, key, transact)
    return answerWith(reply, answer) as never
  })
}

function toFinal(
  { status, headers = {}, body }: Answer,
  request: FastifyRequest,
  reply: FastifyReply
): FinalAnswer {
  if (body === undefined) return { status, headers, body: null }
  const preferred = preferredReturn(request.headers.prefer)
  const applied: Record<string, string> =
    preferred === undefined ? {} : { 'preference-applied': `return=${preferred}` }
  if (preferred === 'minimal') {
    // A 200 without a body is a 204.
    return { status: status === 200 ? 204 : status, headers: { ...headers, ...applied }, body: null }
  }
  const text = reply.serializeInput(
    body as Record<string, unknown>,
    String(status),
    'application/json'
  ) as string
  return { status, headers: { ...headers, ...applied }, body: text }
}

/** A body to be returned, for Fastify would wait for a reply until it has left. */
function answerWith(reply: FastifyReply, { status, headers, body }: FinalAnswer): string | FastifyReply {
  reply.code(status).headers(headers).vary('Prefer')
  if (body === null) return reply.send()
  reply.type('application/json; charset=utf-8')
  return body
}

export default fp(writesPlugin, { name: 'writes', dependencies: ['authenticate', 'database', 'sensible'] })
