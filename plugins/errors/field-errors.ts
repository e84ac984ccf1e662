import type { FastifySchemaValidationError } from 'fastify'
import type { FieldError } from '../../schemas/errors.ts'

const MAX_ERRORS = 20

type Violation = FastifySchemaValidationError & {
  parentSchema?: { description?: string; properties?: Record<string, unknown> }
}

/** Ajv's findings as field errors that say where, what is wrong, and what is expected. */
export function toFieldErrors(violations: Violation[], context?: string): FieldError[] {
  return violations.slice(0, MAX_ERRORS).map((violation) => toFieldError(violation, context))
}

function toFieldError(
  { instancePath, keyword, params, message, parentSchema }: Violation,
  context?: string
): FieldError {
  switch (keyword) {
    case 'required':
      return { pointer: pointer(instancePath, params.missingProperty), detail: 'is required' }
    case 'additionalProperties': {
      const known = Object.keys(parentSchema?.properties ?? {}).join(', ')
      const detail = `is not a known ${context === 'querystring' ? 'query parameter' : 'field'}`
      return {
        pointer: pointer(instancePath, params.additionalProperty),
        detail: `${detail}; ${known === '' ? 'none is taken here' : `known are ${known}`}`
      }
    }
    default:
      return {
        pointer: instancePath,
        detail: [describe(keyword, message), parentSchema?.description].filter(Boolean).join('; expected: ')
      }
  }
}

/** Ajv's words, but for those that would show a person a regular expression. */
function describe(keyword: string, message = 'is not valid'): string {
  if (keyword === 'pattern' || keyword === 'format') return 'does not have the right form'
  return message.replace(',null', ' or null')
}

/** RFC 6901 escapes ~ and / in a name; a name made up by an attacker is cut. */
function pointer(parent: string, name: unknown): string {
  return `${parent}/${String(name).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`
}
