import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { findUserNumber, listAccountLog } from '../../../db/account-log.ts'
import { listApiKeys } from '../../../db/api-keys.ts'
import { authorsOf, changesBy, findResetExpiry, keptRequestsOf } from '../../../db/personal-data.ts'
import { listSessions } from '../../../db/sessions.ts'
import { findUserById } from '../../../db/users.ts'
import { AccessTokenOnly, InvalidToken, TooManyStreams } from '../../../schemas/errors.ts'
import { PersonalData } from '../../../schemas/personal-data.ts'
import { answer } from '../../../schemas/ref.ts'

const ROWS_AT_ONCE = 100

/** All that is kept about the user. It is sent as it is read, so that any number of authors needs no more memory. */
const personalData: FastifyPluginAsyncTypebox = async (fastify) => {
  const { db } = fastify
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.refuseApiKeys)

  fastify.route<{ Params: object }>({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'exportMyData',
      tags: ['account'],
      summary: 'All that is kept about me, as one document',
      description:
        'For every user with an access token. Account and what was done to it, sessions, API keys, limits, answers kept for retries, the authors that you own and the changes that you have made; nothing of others, and no secret.',
      response: { 200: answer('All of it.', PersonalData, ['Content-Disposition', 'Cache-Control']) }
    },
    config: { errors: [AccessTokenOnly, TooManyStreams] },
    handler: async (request, reply) => {
      const { id, sessionId } = request.user
      const account = await findUserById(db, id)
      if (account === undefined) throw new InvalidToken()
      reply
        .type('application/json; charset=utf-8')
        .header('content-disposition', 'attachment; filename="my-data.json"')
      if (request.method === 'HEAD') return reply.send()
      const close = fastify.streams.open('exports', id, reply)
      request.log.info({ event: 'data_exported', user_id: id }, 'personal data exported')
      return reply.stream(document())

      async function* document() {
        try {
          const head = {
            exported_at: new Date().toISOString(),
            account,
            password_reset_until: await findResetExpiry(db, id),
            limits: await fastify.rateLimits.listOf(account?.username as string)
          }
          yield JSON.stringify(head).slice(0, -1)
          yield* list('sessions', sessionsOf({ id, sessionId }))
          yield* list('api_keys', apiKeysOf(id))
          yield* list('account_log', accountLogOf(id))
          yield* list('answers', answersOf(id))
          yield* list('authors', authorsOf(db, id))
          yield* list('changes', texts(changesBy(db, id)))
          yield '}'
        } finally {
          close()
        }
      }
    }
  })

  async function* sessionsOf({ id, sessionId }: Pick<FastifyRequest['user'], 'id' | 'sessionId'>) {
    for await (const rows of pages((page) => listSessions(db, id, page), idOf))
      yield rows.map((row) => JSON.stringify({ ...row, current: row.id === sessionId }))
  }

  async function* apiKeysOf(id: string) {
    yield* texts(pages((page) => listApiKeys(db, id, page), idOf))
  }

  async function* accountLogOf(id: string) {
    const userNumber = (await findUserNumber(db, id)) ?? 0
    const read: ReadPage<{ entry: number }, number> = (page) => listAccountLog(db, userNumber, page)
    yield* texts(pages(read, ({ entry }) => entry))
  }

  async function* answersOf(id: string) {
    for await (const rows of keptRequestsOf(db, id))
      yield rows.map(({ body, ...kept }) => JSON.stringify({ ...kept, author: JSON.parse(body ?? 'null') }))
  }
}

type ReadPage<Row, Place> = (page: { limit: number; before: Place | undefined }) => Promise<Row[]>

/** All rows of a list that is read from its newest on. */
async function* pages<Row, Place>(
  read: ReadPage<Row, Place>,
  placeOf: (row: Row) => Place
): AsyncGenerator<Row[]> {
  for (let before: Place | undefined; ; ) {
    const rows = await read({ limit: ROWS_AT_ONCE, before })
    yield rows
    if (rows.length < ROWS_AT_ONCE) return
    before = placeOf(rows.at(-1) as Row)
  }
}

const idOf = ({ id }: { id: string }) => id

async function* texts(parts: AsyncIterable<object[]>): AsyncGenerator<string[]> {
  for await (const rows of parts) yield rows.map((row) => JSON.stringify(row))
}

/** A member of an object whose value is a list of what the texts say, some at a time. */
async function* list(name: string, parts: AsyncIterable<string[]>): AsyncGenerator<string> {
  yield `,${JSON.stringify(name)}:[`
  let isFirst = true
  for await (const some of parts) {
    if (some.length === 0) continue
    yield `${isFirst ? '' : ','}${some.join()}`
    isFirst = false
  }
  yield ']'
}

export default personalData
