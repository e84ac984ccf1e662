import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { answer, emptyAnswer } from '../schemas/ref.ts'
import { OpenApiDocument, Service } from '../schemas/service.ts'

const DOCS = { docs: '/docs', openapi: '/openapi.json' }
const LINKS = {
  problems: '/problems',
  register: '/register',
  login: '/login',
  authors: '/authors'
}

/** The way in: `/` and `/openapi.json`. */
const service: FastifyPluginAsyncTypebox = async (fastify) => {
  const hasDocs = fastify.config.DOCS === 'on'
  const links = { ...(hasDocs && DOCS), ...LINKS }
  const linksBelow = (basePath: string) =>
    Object.fromEntries(Object.entries(links).map(([name, path]) => [name, basePath + path])) as typeof links

  fastify.route({
    method: 'GET',
    url: '/',
    schema: {
      operationId: 'getService',
      tags: ['service'],
      summary: 'What is here; sends a browser on to the docs',
      description:
        'Anyone may ask. Names the service and where its parts are; a browser (`Accept: text/html`) is sent on to `/docs` where these are on.',
      security: [],
      response: {
        200: answer('The parts of the service.', Service, ['Vary']),
        302: emptyAnswer('To the docs, for a browser.', ['Location', 'Vary'])
      }
    },
    handler: async (request, reply) => {
      const { basePath, headers } = request
      reply.vary('Accept')
      if (hasDocs && prefersHtml(headers.accept)) return reply.redirect(`${basePath}/docs`, 302)
      return { name: 'Library API', links: linksBelow(basePath) }
    }
  })

  if (!hasDocs) return
  fastify.route({
    method: 'GET',
    url: '/openapi.json',
    schema: {
      operationId: 'getOpenApi',
      tags: ['service'],
      summary: 'This document',
      description:
        'Anyone may ask. Made from the same schemas by which requests are checked, for Swagger UI and for tools that make clients.',
      security: [],
      response: { 200: answer('The OpenAPI 3.1 document.', OpenApiDocument) }
    },
    handler: async (request, reply) => {
      reply.type('application/json; charset=utf-8')
      // Typed as what it says in bytes.
      return fastify.openApi('json', request.basePath) as never
    }
  })
}

/** Browsers name text/html in so many words; programs ask for JSON or anything. */
function prefersHtml(accept = ''): boolean {
  return accept.includes('text/html')
}

export default service
