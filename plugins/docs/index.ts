import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { namesVersion } from '../../db/entity-tags.ts'

const PREFIX = '/docs'
const FILES = path.join(path.dirname(fileURLToPath(import.meta.resolve('@fastify/swagger-ui'))), 'static')
/** Our own beside them, see there. */
const NAMES = 'accessible-names.js'
const NAMES_FILE = path.join(import.meta.dirname, NAMES)
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

/**
 * Swagger UI at /docs, which loads nothing from elsewhere. Its files and the document are sent from memory, each one body for all
 * clients: read from the disk for each, they would take a descriptor and a copy for every client that is slow to read.
 */
async function docs(fastify: FastifyInstance) {
  if (fastify.config.DOCS === 'off') return
  await fastify.register(async (scope) => {
    sendFromMemory(scope)
    nameBasePath(scope)
    await scope.register(swaggerUi, {
      routePrefix: PREFIX,
      staticCSP: POLICY,
      theme: { title: 'Library API', js: [{ filename: NAMES, content: readFileSync(NAMES_FILE, 'utf8') }] },
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

/** The page and its redirect name paths from the root on. */
function nameBasePath(scope: FastifyInstance): void {
  scope.addHook('onSend', (request, reply, payload, done) => {
    const { basePath } = request
    const location = reply.getHeader('location')
    if (basePath === '') return done(null, payload)
    if (location !== undefined) reply.header('location', `${basePath}${location}`)
    if (typeof payload !== 'string') return done(null, payload)
    done(null, payload.replaceAll(`"${PREFIX}/`, `"${basePath}${PREFIX}/`))
  })
}

function sendFromMemory(scope: FastifyInstance): void {
  const sources = new Map<string, (basePath: string) => Buffer>([
    [`${PREFIX}/json`, (basePath) => scope.openApi('json', basePath)],
    [`${PREFIX}/yaml`, (basePath) => scope.openApi('yaml', basePath)]
  ])
  for (const file of readdirSync(FILES)) {
    if (!NOT_ITS_FILES.includes(file))
      sources.set(`${PREFIX}/static/${file}`, readOnce(path.join(FILES, file)))
  }
  sources.set(`${PREFIX}/static/theme/${NAMES}`, readOnce(NAMES_FILE))

  function readOnce(file: string): () => Buffer {
    let body: Buffer | undefined
    return () => {
      body ??= scope.share(readFileSync(file))
      return body
    }
  }

  const etags = new WeakMap<Buffer, string>()

  function etagOf(body: Buffer): string {
    const etag = etags.get(body) ?? `"${createHash('sha256').update(body).digest('base64url')}"`
    etags.set(body, etag)
    return etag
  }

  scope.addHook('onRequest', (request, reply, done) => {
    const url = request.url.split('?', 1)[0] as string
    const body = sources.get(url)?.(request.basePath)
    if (body === undefined) return done()
    const etag = etagOf(body)
    reply
      .type(MEDIA_TYPES[path.extname(url) || `.${path.basename(url)}`] as string)
      .headers({ etag, 'cache-control': 'no-cache' })
    if (namesVersion(request.headers['if-none-match'] ?? '', etag)) reply.code(304).send()
    else reply.send(body)
  })
}

export default fp(docs, { name: 'docs', dependencies: ['base-path', 'http', 'openapi'] })
