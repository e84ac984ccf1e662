/** Ajv on the schemas of the document, apart from the service's own use of it. */
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { readIdentifier, type Scheme } from '../../schemas/identifier-forms.ts'
import { schemas as sources } from '../../schemas/index.ts'
import { asNamed, type Document, type Schema } from './document.ts'

/** What is wrong with a value by a schema of the document. */
export type Check = (schema: Schema, value: unknown) => string[]

const FORMATS = Object.fromEntries(
  (['viaf', 'isni', 'wikidata', 'openlibrary'] satisfies Scheme[]).map((scheme) => [
    scheme,
    (text: string) => readIdentifier(scheme, text) !== undefined
  ])
)

/** The schemas as the source has them, which say more than what every reader of the document understands. */
export function sourceSchemas({ components }: Document): Record<string, Schema> {
  const inSource = sources.map(({ $id, ...schema }) => [$id, schema])
  return { ...components.schemas, ...Object.fromEntries(inSource) }
}

/** Checks as requests are meant, by the schemas of the source. */
export function requestCheck(document: Document): Check {
  return checkBy(sourceSchemas(document))
}

/** Checks by schemas of which an object has only what is named, unless they say otherwise, as answers are meant. */
export function answerCheck({ components }: Document): Check {
  return checkBy(closed(components.schemas))
}

function checkBy(schemas: Record<string, Schema>): Check {
  const ajv = new Ajv({ strict: false, allErrors: false, formats: FORMATS })
  // The types of the package do not know how Node imports it.
  ;(addFormats as unknown as (ajv: Ajv) => void)(ajv)
  for (const [name, schema] of Object.entries(asNamed(schemas))) ajv.addSchema(schema, name)
  const compiled = new WeakMap<Schema, ValidateFunction>()
  return (schema, value) => {
    const validate = compiled.get(schema) ?? ajv.compile(asNamed(schema))
    compiled.set(schema, validate)
    validate(value)
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }
}

function closed<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(closed) as T
  const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, closed(inner)]))
  if (isObjectSchema(copy)) copy.additionalProperties ??= false
  return copy as T
}

function isObjectSchema({ type, properties }: Schema): boolean {
  return [type].flat().includes('object') && typeof properties === 'object'
}

/** ISO 7064 MOD 11-2. */
export function isniCheckCharacter(digits: string): string {
  let remainder = 0
  for (const digit of digits) remainder = ((remainder + Number(digit)) * 2) % 11
  const check = (12 - remainder) % 11
  return check === 10 ? 'X' : String(check)
}
