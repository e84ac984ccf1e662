import type { FastifySchemaValidationError } from 'fastify'
import type { FieldError } from '../../schemas/errors.ts'
import { codePointOf } from '../../schemas/text.ts'
import { nearestOf } from './nearest.ts'

const MAX_ERRORS = 20

export type Violation = FastifySchemaValidationError & {
  data?: unknown
  parentSchema?: { description?: string; properties?: Record<string, unknown> }
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
        detail: [whatIsWrong(violation, parameters !== undefined), parentSchema?.description]
          .filter(Boolean)
          .join('; expected: ')
      }
  }
}

function knownNames(names: string[], meant?: string): string {
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  return names.length === 0 ? 'none is taken here' : `${hint}known are ${names.join(', ')}`
}

/** Ajv's words, but for those that would show a person a regular expression. */
function whatIsWrong(
  { keyword, params, data, message = 'is not valid' }: Violation,
  isInQuery: boolean
): string {
  switch (keyword) {
    case 'maximum':
      return `must be at most ${params.limit}`
    case 'minimum':
      return `must be at least ${params.limit}`
    case 'type':
      if (isInQuery && params.type === 'integer') return 'must be an integer in plain digits, such as 12'
      return message.replace(',null', ' or null')
    case 'pattern':
      return `does not have the right form${hiddenFault(data as string, params.pattern as string)}`
    case 'format':
      return 'does not have the right form'
    default:
      return message
  }
}

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{DI}\p{Zl}\p{Zp}]/gu

/** Names the first character that nobody sees and the pattern does not take. */
function hiddenFault(text: string, pattern: string): string {
  const taken = new RegExp(pattern, 'u')
  const fault = [...new Set(text.match(HIDDEN))].find((character) => !taken.test(`a${character}`))
  return fault === undefined ? '' : `: it has ${codePointOf(fault)}, which cannot be seen`
}

/** RFC 6901 escapes ~ and / in a name; a name made up by an attacker is cut. */
function pointer(parent: string, name: unknown): string {
  return `${parent}/${String(name).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`
}
