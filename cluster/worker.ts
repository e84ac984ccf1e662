import cluster from 'node:cluster'
import { lookup } from 'node:dns/promises'
import type { FastifyInstance } from 'fastify'
import { openSocketsOf } from '../plugins/http/open-sockets.ts'
import type { Order, Report, Told } from './member.ts'

/** As long as the longest upload may take: other requests, and connections without one, end much earlier by themselves. */
const RETIREMENT_MS = 3_600_000

/** Does what the primary says: `end` is called once, when it says so, when it is gone, or at a signal to all processes. */
export function obeyPrimary(server: FastifyInstance, end: () => void): void {
  let isEnding = false
  const endOnce = () => {
    if (!isEnding) end()
    isEnding = true
  }
  process.on('message', (order: Order) => {
    if (order === 'end') endOnce()
    else if (order === 'retire') retire(server)
    else tellMetrics(server, order.tellMetrics)
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, endOnce)
  // A closed terminal sends it to all processes; the primary decides.
  process.on('SIGHUP', () => {})
  // Or else Node would end this process the moment that the primary is gone.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true
  process.once('disconnect', endOnce)
}

/** Only one address, of which the primary hands on connections: Fastify would take two for `localhost`, and close one too late. */
export async function addressOf(host: string): Promise<string> {
  return (await lookup(host)).address
}

/** Tells the primary that this worker listens. */
export function report(started: Report): void {
  process.send?.(started, undefined, undefined, () => {})
}

async function tellMetrics(server: FastifyInstance, which: 'all' | 'own'): Promise<void> {
  const families = await server.metrics.read({ withService: which === 'all' })
  await new Promise((resolve) => process.send?.({ families } satisfies Told, undefined, undefined, resolve))
}

/** Accepts no more connections, ends when clients have let go of the open ones, and until then answers that they should. */
async function retire(server: FastifyInstance): Promise<void> {
  server.log.info({ event: 'worker_retired' }, 'this worker takes no more connections')
  const sockets = openSocketsOf(server.server)
  sockets.keepIdle()
  setTimeout(() => sockets.destroyAll(), RETIREMENT_MS)
  await server.close()
  // What was counted since it was asked last.
  await tellMetrics(server, 'own')
  process.exit(0)
}
