import type { FastifyRequest } from 'fastify'
import { UnsupportedMediaType, withExtras } from '../../schemas/errors.ts'

const JSON_ONLY = ['application/json']

/** The media types of bodies that the route takes, as its schema has them. */
export function acceptedTypes(schema: { body?: unknown } | undefined): string[] {
  const { content } = (schema?.body ?? {}) as { content?: Record<string, unknown> }
  return content === undefined ? JSON_ONLY : Object.keys(content)
}

/** The error that names them; for PATCH as RFC 5789 section 2.2 has it. */
export function unsupportedMediaType({ method, routeOptions }: FastifyRequest): Error {
  const types = acceptedTypes(routeOptions.schema)
  const accept = types.join(', ')
  const headers = { accept, ...(method === 'PATCH' && { 'accept-patch': accept }) }
  return withExtras(new UnsupportedMediaType(types.join(' or ')), { headers })
}
