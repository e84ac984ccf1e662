import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { MalformedJson } from '../../schemas/errors.ts'
import { hasAcceptedType, unsupportedMediaType } from '../errors/media-types.ts'
import { JsonRefused, parseExactJson } from './exact-json.ts'
import { placeOf } from './json-fault.ts'

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

/** The decoded text has another character for bytes that are none; encoded again, it differs there for the first time. */
function placeOfBrokenByte(body: Buffer): string {
  const text = body.toString()
  const encoded = Buffer.from(text)
  let at = 0
  while (encoded[at] === body[at]) at += 1
  while (isWithinCharacter(encoded[at])) at -= 1
  return placeOf(text, encoded.toString('utf8', 0, at).length)
}

function isWithinCharacter(byte = 0): boolean {
  return (byte & 0xc0) === 0x80
}

export default fp(jsonBody, { name: 'json-body' })
