import AjvCompiler from '@fastify/ajv-compiler'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

/** What Fastify hands to a compiler, which its types do not tell. */
interface Route {
  httpPart?: 'body' | 'headers' | 'params' | 'querystring'
}

const OPTIONS = {
  allErrors: true,
  verbose: true,
  removeAdditional: false,
  formats: { isni: hasIsniCheckCharacter }
} as const

/** Bodies are taken as they are: nothing is converted, dropped or made up. Query strings are all text, so there numbers are converted. */
export const buildValidator: ReturnType<typeof AjvCompiler> = (externalSchemas) => {
  const factory = AjvCompiler()
  const strict = factory(externalSchemas, {
    customOptions: { ...OPTIONS, coerceTypes: false, useDefaults: false }
  })
  const converting = factory(externalSchemas, {
    customOptions: { ...OPTIONS, coerceTypes: true, useDefaults: true }
  })
  return (route) => ((route as unknown as Route).httpPart === 'querystring' ? converting : strict)(route)
}

/** Routes that take no query parameters say so, that a misspelt one is told and not ignored. */
async function validation(fastify: FastifyInstance) {
  fastify.addHook('onRoute', (route) => {
    if (route.schema?.hide) return
    route.schema = {
      querystring: { type: 'object', properties: {}, additionalProperties: false },
      ...route.schema
    }
  })
}

/** ISO 7064 MOD 11-2, as ISNI (ISO 27729) and ORCID use it. */
function hasIsniCheckCharacter(isni: string): boolean {
  const sum = [...isni.slice(0, -1)].reduce((total, digit) => (total + Number(digit)) * 2, 0)
  const check = (12 - (sum % 11)) % 11
  return isni.at(-1) === (check === 10 ? 'X' : String(check))
}

export default fp(validation, { name: 'validation' })
