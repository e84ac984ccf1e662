import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

const PREFIX = '/docs'
const FILES = path.join(path.dirname(fileURLToPath(import.meta.resolve('@fastify/swagger-ui'))), 'static')
const MEDIA_TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'application/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.yaml': 'application/yaml'
}
/** Made by Swagger UI as it is configured here. */
const NOT_ITS_FILES = ['index.html', 'swagger-initializer.js']

/** Only what Swagger UI's own files need; it draws its icons as data: images. */
const POLICY = {
  'default-src': "'none'",
  'base-uri': "'none'",
  'connect-src': "'self'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
  'img-src': "'self' data:",
  'script-src': "'self'",
  'style-src': "'self'"
}

interface Constant {
  body: Buffer
  etag: string
}

/**
 * Swagger UI at /docs, which loads nothing from elsewhere. Its files and the document are sent from memory, each one body for all
 * clients: read from the disk for each, they would take a descriptor and a copy for every client that is slow to read.
 */
async function docs(fastify: FastifyInstance) {
  if (fastify.config.DOCS === 'off') return
  await fastify.register(async (scope) => {
    sendFromMemory(scope)
    await scope.register(swaggerUi, {
      routePrefix: PREFIX,
      staticCSP: POLICY,
      theme: { title: 'Library API' },
      // Without the bar on top, in which one could type the address of another document.
      uiConfig: {
        layout: 'BaseLayout',
        deepLinking: true,
        displayRequestDuration: true,
        tryItOutEnabled: true
      }
    })
  })
}

function sendFromMemory(scope: FastifyInstance): void {
  const sources = new Map<string, () => Buffer>([
    [`${PREFIX}/json`, () => scope.openApi('json')],
    [`${PREFIX}/yaml`, () => scope.openApi('yaml')]
  ])
  for (const file of readdirSync(FILES)) {
    const source = () => scope.share(readFileSync(path.join(FILES, file)))
    if (!NOT_ITS_FILES.includes(file)) sources.set(`${PREFIX}/static/${file}`, source)
  }
  const constants = new Map<string, Constant>()

  function find(url: string): Constant | undefined {
    const source = sources.get(url)
    if (source === undefined) return undefined
    const known = constants.get(url)
    if (known !== undefined) return known
    const body = source()
    const constant = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }
    constants.set(url, constant)
    return constant
  }

  scope.addHook('onRequest', (request, reply, done) => {
    const url = request.url.split('?', 1)[0] as string
    const constant = find(url)
    if (constant === undefined) return done()
    reply
      .type(MEDIA_TYPES[path.extname(url) || `.${path.basename(url)}`] as string)
      .headers({ etag: constant.etag, 'cache-control': 'no-cache' })
    if (request.headers['if-none-match'] === constant.etag) reply.code(304).send()
    else reply.send(constant.body)
  })
}

export default fp(docs, { name: 'docs', dependencies: ['http', 'openapi'] })
