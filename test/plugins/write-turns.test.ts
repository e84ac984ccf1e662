import Fastify, { type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { Config } from '../../config.ts'
import bodyTimeout from '../../plugins/body-timeout.ts'
import writeTurns from '../../plugins/write-turns.ts'

t.test('the time for a body begins with the turn of its request', async (t) => {
  await t.rejects(async () => Fastify().register(bodyTimeout), /write-turns/)
  const server = Fastify()
  t.teardown(() => server.close())
  server.decorate('config', { REQUEST_TIMEOUT: 30 } as Config)
  const requests: FastifyRequest[] = []
  server.addHook('onRequest', async (request) => {
    requests.push(request)
  })
  await server.register(writeTurns)
  await server.register(bodyTimeout)
  server.post('/', () => requests.filter(({ bodyTimer }) => bodyTimer !== undefined).length)
  const post = () => server.inject({ method: 'POST', url: '/', payload: {} })
  const [first] = await Promise.all(Array.from({ length: 50 }, post))
  t.equal(requests.length, 50)
  t.ok(Number(first?.body) < 25, `when the first was there, ${first?.body} had begun`)
})

/** So many writes, then a read, in one tick: in which order they were begun, and how many writes in a tick. */
async function sendTogether(t: Test, writes: number, options: object) {
  const server = Fastify()
  t.teardown(() => server.close())
  await server.register(writeTurns, options)
  const order: string[] = []
  let tick = 0
  const writesOf = new Map<number, number>()
  server.get('/', () => order.push('read'))
  server.post('/:number', ({ params }) => {
    order.push((params as { number: string }).number)
    writesOf.set(tick, (writesOf.get(tick) ?? 0) + 1)
    return order.length
  })
  await server.ready()
  let ticks: NodeJS.Immediate | undefined
  const count = () => {
    tick += 1
    ticks = setImmediate(count)
  }
  count()
  const numbers = Array.from({ length: writes }, (_, number) => `${number}`)
  await Promise.all([
    ...numbers.map((number) => server.inject({ method: 'POST', url: `/${number}` })),
    server.inject('/')
  ])
  clearImmediate(ticks)
  t.strictSame(
    order.filter((one) => one !== 'read'),
    numbers,
    'in the order in which they came'
  )
  return {
    order,
    counts: [...writesOf.values()],
    send: (url: string) => server.inject({ method: 'POST', url })
  }
}

t.test('of the requests that may write two are begun in a tick, and reads at once', async (t) => {
  const { order, counts, send } = await sendTogether(t, 50, { longestWaitMs: 1e9 })
  t.ok(Math.max(...counts) <= 2)
  t.ok(order.indexOf('read') < 8, 'a read that came last is not the last')
  await send('/later')
  t.equal(order.at(-1), 'later', 'nor does one wait for ever that comes when all were begun')
})

t.test('who has waited for long waits no longer', async (t) => {
  const { counts } = await sendTogether(t, 50, { longestWaitMs: -1 })
  t.ok(Math.max(...counts) > 40)
})
