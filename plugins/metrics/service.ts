import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { openSocketsOf } from '../http/open-sockets.ts'

/** Who asks for metrics has not much longer to wait. */
const LONGEST_CHECK_MS = 2000

/** What is known of the service as a whole, and of what goes on in this process. */
export function measureService(fastify: FastifyInstance): void {
  const { metrics } = fastify
  metrics.gauge(
    {
      name: 'library_info',
      help: 'Always 1; the labels say what is running.',
      labels: { version: fastify.build.version, node: process.version },
      label: 'engine',
      isOfService: true
    },
    () => ({ [fastify.databaseState.engineName]: 1 })
  )
  metrics.gauge(
    {
      name: 'library_ready',
      help: 'Whether the service can read and write its data, as GET /health/ready says: 1 or 0.',
      isOfService: true
    },
    async () => ((await isReady(fastify)) ? 1 : 0)
  )
  metrics.gauge(
    { name: 'library_http_connections', help: 'Open connections of clients.' },
    () => openSocketsOf(fastify.server).count
  )
  metrics.gauge(
    {
      name: 'library_http_requests_under_way',
      help: 'Connections on which a request is being answered, streams too.'
    },
    () => openSocketsOf(fastify.server).countAnswering()
  )
  metrics.total(
    {
      name: 'library_event_loop_busy_seconds_total',
      help: 'For how long the event loop had something to do; at one second a second it can do no more.'
    },
    () => performance.eventLoopUtilization().active / 1000
  )
}

async function isReady(fastify: FastifyInstance): Promise<boolean> {
  if (fastify.isEnding()) return false
  const check = fastify.checkDatabase().then(
    () => true,
    () => false
  )
  return Promise.race([check, sleep(LONGEST_CHECK_MS, false, { ref: false })])
}
