import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import sendBatches from '../../plugins/send-batches.ts'

async function buildServer(t: Test): Promise<FastifyInstance> {
  const server = Fastify()
  t.teardown(() => server.close())
  await server.register(sendBatches)
  server.get('/good', () => 'good')
  server.get('/good-later', async (_request, reply) => reply.send('good'))
  server.get('/bad', (_request, reply) => reply.header('x-name', 'two\nlines').send('bad'))
  server.get('/wrong', (_request, reply) => reply.serializer(() => 1 as unknown as string).send({}))
  return server
}

t.test('an answer that is ready waits for the end of the round', async (t) => {
  const server = await buildServer(t)
  let isSentAtOnce: boolean | undefined
  server.get('/watched', (_request, reply) => {
    reply.send('good')
    isSentAtOnce = reply.raw.headersSent
  })
  t.equal((await server.inject('/watched')).body, 'good')
  t.equal(isSentAtOnce, false)
})

t.test('one that cannot be sent is a 500, and the others of its batch are not harmed', async (t) => {
  const server = await buildServer(t)
  const urls = ['/good', '/bad', '/wrong', '/good-later']
  const answers = await Promise.all(urls.map((url) => server.inject(url)))
  t.strictSame(
    answers.map(({ statusCode }) => statusCode),
    [200, 500, 500, 200]
  )
})
