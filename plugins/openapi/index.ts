import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { LRUCache } from 'lru-cache'
import manifest from '../../package.json' with { type: 'json' }
import { withComponents } from './components.ts'
import { type Document, type Header, operationsOf, type Response } from './document.ts'
import { withNamedSchemas } from './named-schemas.ts'
import { published } from './published.ts'

const DESCRIPTION = `
An author catalogue behind tokens.

1. Register at \`POST /register\`.
2. Log in at \`POST /login\` with HTTP Basic: press **Authorize** and fill in *basic*.
3. Copy the \`access_token\` of the answer, press **Authorize** again and paste it at *bearer*.
4. Try the rest.

Every error is a problem document (RFC 9457) of one of the kinds at \`/problems\`.
Bodies and queries are strict: an unknown field or parameter is an error.
Lengths count Unicode code points, as JSON Schema has it; where \`length\` counts UTF-16 units, as in JavaScript and Java, an emoji is two.
A pattern says what every tool can check; what it leaves open, the description says.
`

type Format = 'json' | 'yaml'

/** Of proxies there are few; a client that makes paths up is not to fill the memory. */
const MOST_DOCUMENTS = 8
/** Where a document names its server. */
const SERVER = { json: '"servers":[{"url":"/', yaml: 'servers:\n  - url: /' }

declare module 'fastify' {
  interface FastifyInstance {
    /** The OpenAPI document as it is sent to those who find the service below this path. */
    openApi(format: Format, basePath?: string): Buffer
  }
}

/** `fastify.openApi`: the OpenAPI 3.1 document, made from the routes' schemas. */
async function openapi(fastify: FastifyInstance) {
  await fastify.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Library API',
        version: manifest.version,
        description: DESCRIPTION.trim(),
        license: { name: 'MIT', identifier: 'MIT' } as never
      },
      servers: [{ url: '/', description: 'This service' }],
      tags: [
        { name: 'account', description: 'Registering, logging in, and who one is.' },
        { name: 'authors', description: 'The catalogue.' },
        { name: 'changes', description: 'What has changed in the catalogue, and what changes.' },
        { name: 'users', description: 'Who else is here.' },
        { name: 'service', description: 'The service itself: health, documents, problems.' }
      ],
      components: {
        securitySchemes: {
          basic: {
            type: 'http',
            scheme: 'basic',
            description: 'Username and password (RFC 7617), for `POST /login`.'
          },
          bearer: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'The `access_token` that `POST /login` answers (RFC 6750).'
          }
        }
      },
      security: [{ bearer: [] }]
    },
    transformObject: (made) => {
      const document = (made as unknown as { openapiObject: Document }).openapiObject
      return withComponents(withNamedSchemas(published(withWholeHeaders(inReadingOrder(document))))) as never
    },
    convertConstToEnum: false,
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => (json.$id as string) ?? `def-${index}`
    }
  })
  const documents = new LRUCache<string, Buffer>({ max: MOST_DOCUMENTS })
  const write = (format: Format) =>
    format === 'json' ? JSON.stringify(fastify.swagger()) : fastify.swagger({ yaml: true })

  fastify.decorate('openApi', (format, basePath = '') => {
    const known = documents.get(`${format} ${basePath}`)
    if (known !== undefined) return known
    const server = SERVER[format]
    const text =
      basePath === '' ? write(format) : write(format).replace(server, server.slice(0, -1) + basePath)
    const document = fastify.share(text)
    documents.set(`${format} ${basePath}`, document)
    return document
  })
}

/** One registers before one logs in; routes are loaded by the alphabet. */
const FIRST = ['/register', '/login']

function inReadingOrder({ paths, ...rest }: Document): Document {
  const first = FIRST.map((url) => [url, paths[url]])
  return { ...rest, paths: { ...Object.fromEntries(first), ...paths } }
}

/** Whether a header is always there stands beside its schema, where a route has no place for it; so does its example. */
function withWholeHeaders(document: Document): Document {
  for (const { operation } of operationsOf(document)) {
    for (const { headers = {} } of Object.values(operation.responses as Record<string, Response>)) {
      for (const header of Object.values(headers as Record<string, Header>)) {
        const { required = false, examples = [], ...schema } = header.schema
        Object.assign(header, { required, ...(examples.length > 0 && { example: examples[0] }), schema })
      }
    }
  }
  return document
}

export default fp(openapi, { name: 'openapi', dependencies: ['errors', 'http', 'schemas', 'validation'] })
