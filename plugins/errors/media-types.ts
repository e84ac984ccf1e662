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
  const [essence = ''] = type.split(';', 1)
  const charset = /;\s*charset="?([^";\s]+)/i.exec(type)?.[1] ?? 'utf-8'
  return (
    acceptedTypes(routeOptions.schema).includes(essence.trim().toLowerCase()) &&
    encoding.toLowerCase() === 'identity' &&
    /^utf-?8$/i.test(charset)
  )
}

/** The error that names them; for PATCH as RFC 5789 section 2.2 has it. */
export function unsupportedMediaType({ method, routeOptions }: FastifyRequest): Error {
  const types = acceptedTypes(routeOptions.schema)
  const accept = types.join(', ')
  const headers = { accept, ...(method === 'PATCH' && { 'accept-patch': accept }) }
  return withExtras(new UnsupportedMediaType(types.join(' or ')), { headers })
}
