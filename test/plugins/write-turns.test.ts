import Fastify from 'fastify'
import t from 'tap'
import writeTurns from '../../plugins/write-turns.ts'

t.test('requests that may write are begun a few in a tick, in their order, and reads at once', async (t) => {
  const server = Fastify()
  t.teardown(() => server.close())
  await server.register(writeTurns)
  const begun: string[] = []
  let tick = 0
  let ticks: NodeJS.Immediate | undefined
  const count = () => {
    tick += 1
    ticks = setImmediate(count)
  }
  t.teardown(() => clearImmediate(ticks))
  const ticksOf = new Map<number, number>()
  server.get('/', () => begun.push('read'))
  server.post('/:number', ({ params }) => {
    begun.push((params as { number: string }).number)
    ticksOf.set(tick, (ticksOf.get(tick) ?? 0) + 1)
    return begun.length
  })
  await server.ready()
  count()
  const writes = Array.from({ length: 50 }, (_, number) => `${number}`)
  const answers = writes.map((number) => server.inject({ method: 'POST', url: `/${number}` }))
  const read = server.inject('/')
  await Promise.all([...answers, read])
  t.strictSame(
    begun.filter((one) => one !== 'read'),
    writes
  )
  t.ok(Math.max(...ticksOf.values()) <= 2, 'two in a tick at most')
  t.ok(begun.indexOf('read') < 8, 'a read that came last is not the last')

  begun.length = 0
  await server.inject({ method: 'POST', url: '/later' })
  t.strictSame(begun, ['later'], 'nor does one wait that comes after all were begun')
})
