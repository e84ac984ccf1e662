import { isUtf8 } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { MalformedJson, UnsupportedMediaType } from '../schemas/errors.ts'

/**
 * The one parser of bodies: JSON in valid UTF-8 (RFC 8259). Fastify's own replaces broken UTF-8 by U+FFFD, and also
 * takes text/plain. An empty body is no body, for some clients name the type even when they send nothing.
 */
async function jsonBody(fastify: FastifyInstance) {
  const parseJson = fastify.getDefaultJsonParser('error', 'error')
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined)
    if (isEncoded(request.headers)) return done(new UnsupportedMediaType())
    if (!isUtf8(body)) return done(new MalformedJson())
    return parseJson(request, body.toString(), (error, value) => done(error && new MalformedJson(), value))
  })
}

/** Compressed, or in another charset than JSON's only one: it would be read as something else than was meant. */
function isEncoded({
  'content-encoding': encoding = 'identity',
  'content-type': type = ''
}: IncomingHttpHeaders): boolean {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(type)?.[1] ?? 'utf-8'
  return encoding.toLowerCase() !== 'identity' || !/^utf-?8$/i.test(charset)
}

export default fp(jsonBody, { name: 'json-body' })
