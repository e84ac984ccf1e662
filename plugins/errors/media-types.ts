import type { FastifyRequest } from 'fastify'
import { UnsupportedMediaType, withExtras } from '../../schemas/errors.ts'

const JSON_ONLY = ['application/json']

/** The media types of bodies that the route takes, as its schema has them. */
export function acceptedTypes(schema: { body?: unknown } | undefined): string[] {
  const { content } = (schema?.body ?? {}) as { content?: Record<string, unknown> }
  return content === undefined ? JSON_ONLY : Object.keys(content)
}

/**
 * Whether the body is of a media type that the route takes. Compressed, or in another charset than UTF-8, it would be read as
 * something else than was meant.
 */
export function hasAcceptedType({ headers, routeOptions }: FastifyRequest): boolean {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = headers
  return (
    acceptedTypes(routeOptions.schema).includes(essenceOf(type)) &&
    encoding.toLowerCase() === 'identity' &&
    charsetsOf(type).every(isUtf8)
  )
}

/** The error that names them; for PATCH as RFC 5789 section 2.2 has it. */
export function unsupportedMediaType({ method, headers, routeOptions }: FastifyRequest): Error {
  const types = acceptedTypes(routeOptions.schema)
  const accept = types.join(', ')
  const other = charsetsOf(headers['content-type'] ?? '').find((charset) => !isUtf8(charset))
  const said = other === undefined ? '' : `, but it says charset=${other.slice(0, 40)}`
  const extras = { accept, ...(method === 'PATCH' && { 'accept-patch': accept }) }
  return withExtras(new UnsupportedMediaType(types.join(' or '), said), { headers: extras })
}

function essenceOf(type: string): string {
  const [essence = ''] = type.split(';', 1)
  return essence.trim().toLowerCase()
}

/** US-ASCII is a part of UTF-8; the others are what programs call it. */
const NAMES_OF_UTF8 = new Set(['utf8', 'utf8sig', 'unicode11utf8', 'usascii', 'ascii'])

function isUtf8(charset: string): boolean {
  return NAMES_OF_UTF8.has(charset.toLowerCase().replace(/[-_]/g, ''))
}

const PARAMETER = /;[ \t]*([^=;"\s]+)[ \t]*=[ \t]*("[^"]*"?|[^;]*)/g

/** What the parameters `charset` say; RFC 9110 has one, in any case, quoted or not. */
function charsetsOf(type: string): string[] {
  if (!type.includes(';')) return []
  return [...type.matchAll(PARAMETER)]
    .filter(([, name]) => name?.toLowerCase() === 'charset')
    .map(([, , value = '']) => value.replaceAll('"', '').trim())
}
