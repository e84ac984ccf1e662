import type { FastifySchemaValidationError } from 'fastify'
import type { FieldError } from '../../schemas/errors.ts'
import { explainIdentifier, isScheme } from '../../schemas/identifier-forms.ts'
import { explainYear, isYear, readYear } from '../../schemas/years.ts'
import { nearestOf } from './nearest.ts'
import { countCharacters, faultOfText, quote } from './texts.ts'

const MAX_ERRORS = 20

export type Violation = FastifySchemaValidationError & {
  data?: unknown
  parentSchema?: {
    description?: string
    properties?: Record<string, unknown>
    format?: string
    minimum?: number
    maximum?: number
  }
}

/** A value of a file that is none of those that its column takes. */
export class Unreadable {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/**
 * Ajv's findings as field errors that say where, what is wrong, and what is expected; for a query with the names of all its
 * parameters.
 */
export function toFieldErrors(violations: Violation[], parameters?: string[]): FieldError[] {
  return violations.slice(0, MAX_ERRORS).map((violation) => toFieldError(violation, parameters))
}

function toFieldError(violation: Violation, parameters?: string[]): FieldError {
  const { instancePath, keyword, params, parentSchema, data } = violation
  if (parameters !== undefined && Array.isArray(data)) {
    return { pointer: instancePath, detail: `may be given only once; ${knownNames(parameters)}` }
  }
  if (data instanceof Unreadable) return { pointer: instancePath, detail: data.reason }
  switch (keyword) {
    case 'required':
      return { pointer: pointer(instancePath, params.missingProperty), detail: 'is required' }
    case 'additionalProperties': {
      const names = Object.keys(parentSchema?.properties ?? {})
      const known = knownNames(names, nearestOf(String(params.additionalProperty), names))
      return {
        pointer: pointer(instancePath, params.additionalProperty),
        detail: `is not a known ${parameters === undefined ? 'field' : 'query parameter'}; ${known}`
      }
    }
    default:
      return {
        pointer: instancePath,
        detail: [whatIsWrong(violation, parameters === undefined), parentSchema?.description]
          .filter(Boolean)
          .join('; expected: ')
      }
  }
}

function knownNames(names: string[], meant?: string): string {
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  return names.length === 0 ? 'none is taken here' : `${hint}known are ${names.join(', ')}`
}

/** Ajv's words, but where they would not say what is wrong with this value; in a body types can be told apart. */
function whatIsWrong(violation: Violation, isInBody: boolean): string {
  const { keyword, params, data, message = 'is not valid' } = violation
  switch (keyword) {
    case 'maximum':
      return `must be at most ${params.limit}`
    case 'minimum':
      return `must be at least ${params.limit}`
    case 'pattern':
      return faultOfText(data as string, params.pattern as string)
    case 'enum':
      return faultOfChoice(data, params.allowedValues as unknown[])
    case 'format':
      return faultOfFormat(data as string, params.format as string)
    case 'minLength':
      return data === '' ? 'is empty' : `${lengthOf(data)}; at least ${params.limit} are wanted`
    case 'maxLength':
      return `${lengthOf(data)}; at most ${params.limit} characters are taken`
    case 'type':
      if (isInBody) return faultOfType(violation)
      return params.type === 'integer' ? 'must be an integer in plain digits, such as 12' : readable(message)
    default:
      return readable(message)
  }
}

function faultOfChoice(data: unknown, choices: unknown[]): string {
  const words = choices.map(String)
  const meant = typeof data === 'string' ? nearestOf(data, words) : undefined
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`
  return `must be one of ${words.join(', ')}${hint}`
}

function readable(message: string): string {
  return message.replace(',null', ' or null')
}

function lengthOf(text: unknown): string {
  const length = countCharacters(text as string)
  return `has ${length} ${length === 1 ? 'character' : 'characters'}`
}

/** The only formats that a request has. */
function faultOfFormat(text: string, format: string): string {
  if (isScheme(format)) return explainIdentifier(format, text)
  return `is ${quote(text)}, which is no time such as 2026-11-23T09:30:00Z`
}

/** A value that would do if it were written as another type. */
function faultOfType({ params, data, message = '', parentSchema = {} }: Violation): string {
  const wanted = [params.type].flat()
  if (typeof data === 'string' && isYear(parentSchema)) {
    const year = readYear(data)
    return year === undefined ? explainYear(data) : `${readable(message)}: send ${year} without quotes`
  }
  if (typeof data === 'string' && /^(true|false)$/.test(data) && wanted.includes('boolean'))
    return `${readable(message)}, so ${data} without quotes`
  if (typeof data === 'number' && isScheme(parentSchema.format))
    return `${readable(message)}: put the number in quotes`
  return readable(message)
}

/** RFC 6901 escapes ~ and / in a name; a name made up by an attacker is cut. */
function pointer(parent: string, name: unknown): string {
  return `${parent}/${String(name).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`
}
