import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { MethodNotAllowed, RouteNotFound, withExtras } from '../schemas/errors.ts'
import { acceptedTypes } from './errors/media-types.ts'
import { suggest } from './errors/suggesting.ts'

interface Address {
  url: string
  pattern: RegExp
  methods: Set<string>
  /** The media types of PATCH, if it is taken. */
  patch: string[]
}

/**
 * Answers what no route takes: 404, or at a known address 405 with `Allow` (RFC 9110), and OPTIONS at all of them.
 * As a hook it comes before the body is looked at, so that a wrong address is never told as a wrong body.
 */
async function notFound(fastify: FastifyInstance) {
  const addresses = new Map<string, Address>()

  fastify.addHook('onRoute', ({ url, method, schema }) => {
    // That of @fastify/cors, which answers preflights and leaves the rest to us.
    if (url === '*') return
    const address = addresses.get(url) ?? { url, pattern: toPattern(url), methods: new Set(), patch: [] }
    for (const name of [method].flat()) address.methods.add(name)
    if (method === 'PATCH') address.patch = acceptedTypes(schema)
    addresses.set(url, address)
  })

  /** As the router has it, an address in so many words comes before one with parameters. */
  function findAddress(path: string): Address | undefined {
    const exact = addresses.get(path.replace(/(?<=.)\/$/, ''))
    return exact ?? [...addresses.values()].find(({ pattern }) => pattern.test(path))
  }

  async function answerUnrouted(request: FastifyRequest, reply: FastifyReply) {
    reply.isUnrouted = true
    const path = pathOf(request)
    const address = findAddress(path)
    if (address === undefined || address.methods.has(request.method)) throw nothingAt(path, request)
    const allow = [...address.methods, 'OPTIONS'].sort().join(', ')
    if (request.method === 'OPTIONS')
      return reply
        .code(204)
        .headers({ allow, ...patchTypes(address) })
        .send()
    throw withExtras(new MethodNotAllowed(request.method, allow), { headers: { allow } })
  }

  function nothingAt(path: string, { basePath, method }: FastifyRequest): Error {
    const nearest = suggest(path, method, addresses.values())
    const hint = nearest === undefined ? '' : `; the nearest address is ${basePath}${nearest}`
    return new RouteNotFound(`${basePath}${path}${hint}`)
  }

  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done()
    answerUnrouted(request, reply).catch(done)
  })
  // For a route that finds out itself that there is nothing, as that of the docs' files does.
  fastify.setNotFoundHandler(answerUnrouted)
}

/** RFC 5789 section 3.1. */
function patchTypes({ patch }: Address) {
  return patch.length > 0 ? { 'accept-patch': patch.join(', ') } : {}
}

/** Without the query, and without the origin that a proxy's client may name (RFC 9112 section 3.2.2). */
function pathOf({ url }: FastifyRequest): string {
  const path = url.split('?', 1)[0] as string
  return path.replace(/^https?:\/\/[^/]+/i, '').slice(0, 200)
}

function toPattern(url: string): RegExp {
  return new RegExp(`^${url.replace(/:\w+/g, '[^/]+').replace('*', '.*')}/?$`)
}

export default fp(notFound, {
  name: 'not-found',
  dependencies: ['base-path', 'errors', 'http', 'metrics']
})
