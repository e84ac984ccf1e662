import AjvCompiler from '@fastify/ajv-compiler'
import { _, type Ajv, type CodeKeywordDefinition, type KeywordCxt, type ValidateFunction } from 'ajv'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { isScheme, readIdentifier } from '../schemas/identifier-forms.ts'
import { madeOnce } from './schemas/made-once.ts'

/** What Fastify hands to a compiler, which its types do not tell. */
interface Route {
  httpPart?: 'body' | 'headers' | 'params' | 'querystring'
  contentType?: string
  schema: { properties: Record<string, { type?: string }> }
}

const OPTIONS = {
  allErrors: true,
  verbose: true,
  coerceTypes: false,
  removeAdditional: false,
  useDefaults: false
} as const

const compilers = AjvCompiler()

/** Nothing is dropped or made up, and nothing in a body is converted but identifiers, into the form that is kept. A query is all text, so there numbers and booleans are read. */
export const buildValidator: ReturnType<typeof AjvCompiler> = (externalSchemas) => {
  const withDefaults = { ...OPTIONS, useDefaults: true }
  const compilerWith = (customOptions: typeof OPTIONS | typeof withDefaults) => () =>
    whenNeeded(compilers(externalSchemas, { customOptions, onCreate: prepare }))
  const compile = madeOnce('validator', externalSchemas, compilerWith(OPTIONS))
  const compileQuery = madeOnce('query validator', externalSchemas, compilerWith(withDefaults))
  return (route) => {
    if (isFile(route as unknown as Route)) return (() => true) as never
    if ((route as unknown as Route).httpPart !== 'querystring') return compile(route)
    return readingText(compileQuery(route), (route as unknown as Route).schema)
  }
}

type Compile = ReturnType<ReturnType<typeof AjvCompiler>>

/** Each is made when the first request needs it: to make all took a fifth of the start. */
function whenNeeded(compile: Compile): Compile {
  return (route) => {
    let validate: ValidateFunction | undefined
    const validator = (data: unknown) => {
      validate ??= compile(route) as ValidateFunction
      const isValid = validate(data)
      validator.errors = validate.errors
      return isValid
    }
    validator.errors = null as ValidateFunction['errors']
    return validator as never
  }
}

function prepare(ajv: Ajv): void {
  // What the document says in place of `pattern`, see plugins/openapi.
  ajv.addKeyword('publishedPattern')
  testFormAfterLength(ajv)
}

/** Leaves the form of a text of another length untested, which `allErrors` would test too, however long that takes. */
function testFormAfterLength(ajv: Ajv): void {
  for (const keyword of ['pattern', 'format']) {
    const definition = ajv.getKeyword(keyword) as CodeKeywordDefinition
    const code: CodeKeywordDefinition['code'] = (context, type) => {
      // No number has a form here.
      if (type === 'number') return
      const { minLength = 0, maxLength = Number.POSITIVE_INFINITY } = context.parentSchema
      const fits = context.gen.scopeValue('func', { ref: hasLength })
      context.gen.if(_`${fits}(${context.data}, ${minLength}, ${maxLength})`, () =>
        isScheme(context.schema) ? testIdentifier(context) : definition.code(context, type)
      )
    }
    ajv.removeKeyword(keyword).addKeyword({ ...definition, code })
  }
}

/** By code points, as `maxLength` has it; each takes one or two units. */
function hasLength(text: string, least: number, most: number): boolean {
  if (text.length > 2 * most) return false
  if (text.length >= 2 * least && text.length <= most) return true
  const { length } = [...text]
  return length >= least && length <= most
}

/** Puts the form that is kept in the place of the one that was sent, so that all that comes after knows only the first. */
function testIdentifier(context: KeywordCxt): void {
  const { gen, data, schema, it } = context
  const read = gen.scopeValue('func', { ref: readIdentifier })
  const identifier = gen.const('identifier', _`${read}(${schema}, ${data})`)
  gen.if(_`${identifier} !== undefined`, () =>
    gen.assign(_`${it.parentData}[${it.parentDataProperty}]`, identifier)
  )
  context.fail(_`${identifier} === undefined`)
}

/** A body that is not JSON comes as a stream, whose reader finds out what is in it. */
function isFile({ httpPart, contentType = 'application/json' }: Route): boolean {
  return httpPart === 'body' && !/^application\/(.+\+)?json$/.test(contentType)
}

type Validate = ReturnType<ReturnType<ReturnType<typeof AjvCompiler>>>

/** Ajv's own conversion would also take 0x10, 1e1, " 5" and Infinity. */
const WHOLE_NUMBER = /^-?(0|[1-9][0-9]*)$/

const READERS: Record<string, (text: string) => unknown> = {
  integer: (text) => (WHOLE_NUMBER.test(text) ? toNumber(text) : text),
  boolean: (text) => (/^(true|false)$/.test(text) ? text === 'true' : text)
}

/** A number that is too large for any bound stays one, so that the bound is what the client hears of. */
function toNumber(digits: string): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number(digits), Number.MAX_VALUE))
}

function readingText(validate: Validate, schema: Route['schema']): Validate {
  const readers = Object.entries(schema.properties).flatMap(([name, { type = '' }]) => {
    const read = READERS[type]
    return read === undefined ? [] : [{ name, read }]
  })
  const validateQuery = (query: Record<string, unknown>) => {
    for (const { name, read } of readers) {
      const value = query[name]
      if (typeof value === 'string') query[name] = read(value)
    }
    const isValid = validate(query)
    validateQuery.errors = validate.errors
    return isValid
  }
  validateQuery.errors = validate.errors
  return validateQuery as Validate
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

export default fp(validation, { name: 'validation' })
