import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import manifest from '../package.json' with { type: 'json' }

const DESCRIPTION = `
An author catalogue behind tokens.

1. Register at \`POST /register\`.
2. Log in at \`POST /login\` with HTTP Basic: press **Authorize** and fill in *basic*.
3. Copy the \`access_token\` of the answer, press **Authorize** again and paste it at *bearer*.
4. Try the rest.

Every error is a problem document (RFC 9457) of one of the kinds at \`/problems\`.
Bodies and queries are strict: an unknown field or parameter is an error.
`

/** Only what Swagger UI's own files need; it draws its icons as data: images. */
const DOCS_POLICY = {
  'default-src': "'none'",
  'base-uri': "'none'",
  'connect-src': "'self'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
  'img-src': "'self' data:",
  'script-src': "'self'",
  'style-src': "'self'"
}

/** The OpenAPI 3.1 document, made from the routes' schemas, and Swagger UI at /docs, which loads nothing from elsewhere. */
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
    transformObject: inReadingOrder,
    convertConstToEnum: false,
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => (json.$id as string) ?? `def-${index}`
    }
  })
  if (fastify.config.DOCS === 'off') return
  await fastify.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    theme: { title: 'Library API' },
    // Without the bar on top, in which one could type the address of another document.
    uiConfig: { layout: 'BaseLayout', deepLinking: true, displayRequestDuration: true, tryItOutEnabled: true }
  })
}

/** One registers before one logs in; routes are loaded by the alphabet. */
const FIRST = ['/register', '/login']

function inReadingOrder(
  document: Parameters<NonNullable<FastifyDynamicSwaggerOptions['transformObject']>>[0]
) {
  if (!('openapiObject' in document)) return document.swaggerObject
  const { paths, ...rest } = document.openapiObject
  const first = FIRST.map((url) => [url, paths?.[url]])
  return { ...rest, paths: { ...Object.fromEntries(first), ...paths } }
}

export default fp(openapi, { name: 'openapi', dependencies: ['schemas', 'errors', 'validation'] })
