import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { schemas } from '../../schemas/index.ts'

/** Registers every named schema, so that routes can refer to them. */
async function schemasPlugin(fastify: FastifyInstance) {
  for (const schema of schemas) fastify.addSchema(schema)
}

export default fp(schemasPlugin, { name: 'schemas' })
