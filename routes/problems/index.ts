import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ProblemNotFound, problemTypes, type ProblemType as Type } from '../../schemas/errors.ts'
import { ProblemName, ProblemType, ProblemTypeList } from '../../schemas/problems.ts'
import { answer } from '../../schemas/ref.ts'

/** Where the `type` of every problem document leads. */
const problems: FastifyPluginAsyncTypebox = async (fastify) => {
  const list = fastify.share(listBelow(''))

  fastify.route({
    method: 'GET',
    url: '',
    schema: {
      operationId: 'listProblemTypes',
      tags: ['service'],
      summary: 'List the kinds of problem',
      description:
        'Anyone may ask. Every `code` that an error can have, with its status and what to do about it.',
      security: [],
      response: { 200: answer('All of them.', ProblemTypeList) }
    },
    handler: async ({ basePath }, reply) => {
      reply.type('application/json; charset=utf-8')
      // Typed as what it says in bytes.
      return (basePath === '' ? list : listBelow(basePath)) as never
    }
  })

  fastify.route({
    method: 'GET',
    url: '/:name',
    schema: {
      operationId: 'getProblemType',
      tags: ['service'],
      summary: 'Explain a kind of problem',
      description: 'Anyone may ask. It is where the `type` of a problem document leads.',
      security: [],
      params: ProblemName,
      response: { 200: answer('The kind of problem.', ProblemType) }
    },
    config: { errors: [ProblemNotFound] },
    handler: async (request) => {
      const { name } = request.params
      const type = [...problemTypes.values()].find((candidate) => candidate.name === name)
      if (type === undefined) throw new ProblemNotFound(name)
      return toWire(type, request.basePath)
    }
  })
}

function listBelow(basePath: string): string {
  return JSON.stringify({ data: [...problemTypes.values()].map((type) => toWire(type, basePath)) })
}

function toWire({ name, code, status, title, remedy }: Type, basePath: string) {
  return { type: `${basePath}/problems/${name}`, code, status, title, remedy }
}

export default problems
