import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { AnswerForm, Command, Representation } from '../../db/command.ts'
import type { Answer } from '../../db/idempotency-keys.ts'
import { KeysInUse, onceOf } from './idempotency.ts'
import { preferredReturn } from './preferences.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Runs a command for the signed-in user of the request, and gives what the handler is to return: the body of the answer as JSON,
     * typed so that any handler may. An `Idempotency-Key` is honoured on POST and PATCH, and `Prefer: return=minimal` (RFC 7240)
     * everywhere. Throws what `fastify.run` throws, `IdempotencyKeyInUse` and `IdempotencyKeyReused`.
     */
    write<Input extends object>(
      request: FastifyRequest,
      reply: FastifyReply,
      command: Command<Input, Representation>,
      input: Input,
      status: AnswerForm['status']
    ): Promise<never>
    /** The same for a handler that makes the body from it: gives the answer as it is kept, in full. */
    writeOnce<Input extends object>(
      request: FastifyRequest,
      command: Command<Input, Representation>,
      input: Input,
      status: AnswerForm['status']
    ): Promise<Answer>
  }
}

async function writesPlugin(fastify: FastifyInstance) {
  const keysInUse = new KeysInUse()

  async function answerOnce<Input extends object>(
    request: FastifyRequest,
    command: Command<Input, Representation>,
    input: Input,
    wanted: Omit<AnswerForm, 'once'>
  ): Promise<Answer> {
    const once = onceOf(request)
    const run = () => fastify.runToAnswer(request.user, command, input, { ...wanted, once })
    return once === undefined ? run() : keysInUse.hold(request.user.id, once.key, run)
  }

  fastify.decorate('write', async (request, reply, command, input, status) => {
    const preferred = preferredReturn(request.headers.prefer)
    return answerWith(
      request,
      reply,
      await answerOnce(request, command, input, { status, preferred })
    ) as never
  })
  fastify.decorate('writeOnce', (request, command, input, status) =>
    answerOnce(request, command, input, { status, preferred: undefined })
  )
}

/** A body to be returned: Fastify would wait for a reply until it has left. */
function answerWith(
  { basePath }: FastifyRequest,
  reply: FastifyReply,
  { status, headers, body }: Answer
): string | FastifyReply {
  reply.code(status).headers(headers).vary('Prefer')
  // A kept answer has it without, for its retry may come by another way.
  if (headers.location !== undefined) reply.header('location', basePath + headers.location)
  if (body === null) return reply.send()
  reply.type('application/json; charset=utf-8')
  return body
}

export default fp(writesPlugin, {
  name: 'writes',
  dependencies: ['authenticate', 'base-path', 'database', 'sensible']
})
