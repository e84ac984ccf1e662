import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { Distribution, type Sample } from './instruments.ts'

/** In seconds: a cached answer takes less than the first, a login some tenths, an import or an export minutes. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const NAME = 'library_http_request_duration_seconds'
const ABOUT = {
  name: NAME,
  help: 'Requests that were answered, and how long that took, by method, route template and status.',
  type: 'histogram'
} as const
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
/** Clients can make up addresses and methods, and must not make labels by that. */
const NO_ROUTE = '(none)'
const OTHER_METHOD = '(other)'
const LOWEST_STATUS = 100

type Hook = (request: FastifyRequest, reply: FastifyReply, done: () => void) => void

/** The requests of one method at one route, by status. */
class Observed {
  readonly #labels: { method: string; route: string }
  readonly #byStatus: (Distribution | undefined)[] = []

  constructor(method: string, route: string) {
    this.#labels = { method, route }
  }

  note(status: number, seconds: number): void {
    const known = this.#byStatus[status - LOWEST_STATUS] ?? this.#add(status)
    known.observe(seconds)
  }

  samples(): Sample[] {
    return this.#byStatus.flatMap(
      (distribution, index) =>
        distribution?.samples(NAME, { ...this.#labels, status: String(index + LOWEST_STATUS) }) ?? []
    )
  }

  #add(status: number): Distribution {
    const distribution = new Distribution(BOUNDS)
    this.#byStatus[status - LOWEST_STATUS] = distribution
    return distribution
  }
}

/**
 * Observes each answer. A route finds its own numbers without a look-up, since a hook of its own knows them: what is done here is done for
 * every request.
 */
export function observeRequests(fastify: FastifyInstance): void {
  const observed: Observed[] = []
  const unrouted = new Map([...METHODS, OTHER_METHOD].map((method) => [method, observe(method, NO_ROUTE)]))

  function observe(method: string, route: string): Observed {
    const one = new Observed(method, route)
    observed.push(one)
    return one
  }

  function ofUnrouted(method: string): Observed {
    return (unrouted.get(method) ?? unrouted.get(OTHER_METHOD)) as Observed
  }

  function hookOf({ method, url }: RouteOptions): Hook {
    const [first = '', ...others] = [method].flat()
    const one = observe(first, url)
    const byMethod = new Map(others.map((name) => [name, observe(name, url)]))
    return (request, reply, done) => {
      const of = byMethod.size === 0 ? one : (byMethod.get(request.method) ?? one)
      of.note(reply.statusCode, reply.elapsedTime / 1000)
      done()
    }
  }

  fastify.metrics.add(ABOUT, () => observed.flatMap((one) => one.samples()))
  fastify.metrics.noteUnrouted = (method, status) => ofUnrouted(method).note(status, 0)
  fastify.addHook('onRoute', (route) => {
    route.onResponse = [...[route.onResponse ?? []].flat(), hookOf(route)]
  })
  fastify.addHook('onResponse', (request, reply, done) => {
    if (request.is404 || reply.isUnrouted)
      ofUnrouted(request.method).note(reply.statusCode, reply.elapsedTime / 1000)
    done()
  })
}
