import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { ValidationFailed, withExtras } from '../schemas/errors.ts'
import { acceptedTypes, hasAcceptedType, unsupportedMediaType } from './errors/media-types.ts'

/**
 * A route that takes a body never runs without one, nor with one of another type: Fastify validates the body of a route with
 * media types of its own only when the request names one of them.
 */
async function requiredBodies(fastify: FastifyInstance) {
  fastify.addHook('onRoute', (route) => {
    if (route.schema?.body === undefined) return
    route.preValidation = [route.preValidation ?? [], refuseMissingBody].flat()
  })
}

/** Throws `ValidationFailed` or `UnsupportedMediaType`. */
async function refuseMissingBody(request: FastifyRequest): Promise<void> {
  if (request.body === undefined) throw missingBody(request)
  if (!hasAcceptedType(request)) throw unsupportedMediaType(request)
}

function missingBody({ routeOptions }: FastifyRequest): Error {
  const detail = `is required, as ${acceptedTypes(routeOptions.schema).join(' or ')}`
  return withExtras(new ValidationFailed(), { errors: [{ pointer: '', detail }] })
}

export default fp(requiredBodies, { name: 'required-bodies', dependencies: ['errors'] })
