import type { FastifyInstance } from 'fastify'
import creating from './creating.ts'
import editing from './editing.ts'
import exporting from './exporting.ts'
import finding from './finding.ts'
import history from './history.ts'
import importing from './importing.ts'

/** The catalogue: what its readers do, what its editors do, and moving it as a whole. */
export default async function authors(fastify: FastifyInstance) {
  fastify.addHook('onRequest', fastify.authenticate)
  for (const part of [finding, history, creating, editing, exporting, importing]) await fastify.register(part)
}
