import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { MalformedJson } from '../../schemas/errors.ts'
import { hasAcceptedType, unsupportedMediaType } from '../errors/media-types.ts'
import { JsonRefused, parseExactJson } from './exact-json.ts'
import { placeOf } from './json-fault.ts'

const REPLACEMENT = '\ufffd'
const REPLACEMENT_BYTES = '\xef\xbf\xbd'
const JSON_TYPES = ['application/json', 'application/merge-patch+json']

/**
 * The parser of bodies: JSON in valid UTF-8 (RFC 8259), of the media type that the route takes. Fastify's own replaces broken
 * UTF-8 by U+FFFD, keeps the last of several members of one name, rounds numbers, and also takes text/plain. An empty body of
 * any type is no body: some clients name a type when they send nothing, and some send nothing in chunks.
 */
async function jsonBody(fastify: FastifyInstance) {
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', async (request: FastifyRequest, payload: Readable) => {
    await new Promise((resolve) => payload.once('readable', resolve).once('end', resolve))
    if (payload.read(1) !== null) throw unsupportedMediaType(request)
  })
  fastify.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined)
    if (!hasAcceptedType(request)) return done(unsupportedMediaType(request))
    let value: unknown
    try {
      value = parseBody(body)
    } catch (error) {
      return done(new MalformedJson((error as JsonRefused).message))
    }
    done(null, value)
  })
}

/** Throws `JsonRefused`. */
function parseBody(body: Buffer): unknown {
  if (!isUtf8(body)) throw new JsonRefused(`is not in UTF-8, at ${placeOfBrokenByte(body)}`)
  return parseExactJson(body.toString())
}

/** Where a character stands in the decoded text that stands for bytes which are none. */
function placeOfBrokenByte(body: Buffer): string {
  const text = body.toString()
  let at = text.indexOf(REPLACEMENT)
  let bytes = Buffer.byteLength(text.slice(0, at))
  // It may have been sent as what it is.
  while (body.toString('latin1', bytes, bytes + 3) === REPLACEMENT_BYTES) {
    const next = text.indexOf(REPLACEMENT, at + 1)
    bytes += Buffer.byteLength(text.slice(at, next))
    at = next
  }
  return placeOf(text, at)
}

export default fp(jsonBody, { name: 'json-body' })
