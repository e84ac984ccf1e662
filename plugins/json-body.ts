import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { MalformedJson } from '../schemas/errors.ts'
import { acceptedTypes, unsupportedMediaType } from './errors/media-types.ts'

const JSON_TYPES = ['application/json', 'application/merge-patch+json']

/**
 * The parser of bodies: JSON in valid UTF-8 (RFC 8259), of the media type that the route takes. Fastify's own replaces broken
 * UTF-8 by U+FFFD, and also takes text/plain. An empty body is no body, for some clients name the type even when they send nothing.
 */
async function jsonBody(fastify: FastifyInstance) {
  const parseJson = fastify.getDefaultJsonParser('error', 'error')
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined)
    if (!isAccepted(request)) return done(unsupportedMediaType(request))
    if (!isUtf8(body)) return done(new MalformedJson())
    return parseJson(request, body.toString(), (error, value) => done(error && new MalformedJson(), value))
  })
}

/** Compressed, or in another charset than JSON's only one, it would be read as something else than was meant. */
function isAccepted({ headers, routeOptions }: FastifyRequest): boolean {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = headers
  const [essence = ''] = type.split(';', 1)
  const charset = /;\s*charset="?([^";\s]+)/i.exec(type)?.[1] ?? 'utf-8'
  return (
    acceptedTypes(routeOptions.schema).includes(essence.trim().toLowerCase()) &&
    encoding.toLowerCase() === 'identity' &&
    /^utf-?8$/i.test(charset)
  )
}

export default fp(jsonBody, { name: 'json-body' })
