/** Values from JSON schemas, right ones and broken ones. */
import fc, { type Arbitrary } from 'fast-check'
import type { Schema } from './document.ts'
import { type Check, isniCheckCharacter } from './schemas.ts'

/** Gives what fits the schema, and what is most often next to it. */
export interface Values {
  valid(schema: Schema): Arbitrary<unknown>
  broken(schema: Schema): Arbitrary<unknown>
}

/** What programs get wrong in a text. */
const ODD_TEXTS = [
  ...['\u0000', '\ud800', '\udfff\ud800', '\u202e', '\ufeff', '\u2028', '\u200d', '\u0301'.repeat(30)],
  ...['ﬁ', 'İ', '😀', '👩‍👩‍👧‍👦', '﷽', '\u{e0001}', '\u{10ffff}', '%00', '../..', "'; drop table users--"],
  ...['null', 'true', '0', '-1', '1e400', '{}', '__proto__', 'constructor', '\r\n', '\t', '\u007f', '']
]
const ODD_NUMBERS = [-1, 0, -0, 0.5, 1e21, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 53, -(2 ** 63)]
const WRONG_TYPES = [null, true, false, 0, 1.5, '', 'x', [], {}, [[]], [null], { $ref: '#' }]
/** Few enough that some come twice. */
const WORDS = ['Rushdie', 'salman', 'Ægir', 'shame', 'Δ', '東京', 'a', 'the moors last sigh', "L'Étranger"]
const LONGEST = 5000
/** ASCII, letters of other scripts, and any code point. */
const CHARACTERS = (
  [
    [0x20, 0x7e],
    [0xa0, 0x24f],
    [0x370, 0x9fff],
    [0, 0x10ffff]
  ] as const
).map(([min, max]) => fc.integer({ min, max }).map((codePoint) => String.fromCodePoint(codePoint)))

/** The values of the document's schemas; `check` sorts out what was only nearly right. */
export function valuesOf(schemas: Record<string, Schema>, check: Check): Values {
  const resolve = (schema: Schema): Schema =>
    schema.$ref === undefined ? schema : (schemas[schema.$ref.split('/').at(-1) as string] as Schema)

  function valid(reference: Schema): Arbitrary<unknown> {
    const schema = resolve(reference)
    return fc
      .oneof(...typesOf(schema).map((type) => ofType(type, schema)))
      .filter((value) => check(schema, value).length === 0)
  }

  function ofType(type: string, schema: Schema): Arbitrary<unknown> {
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    switch (type) {
      case 'object':
        return objects(schema, valid)
      case 'array':
        return fc.array(valid(schema.items as Schema), { maxLength: 3 })
      case 'string':
        return texts(schema)
      case 'integer':
        return integers(schema)
      case 'boolean':
        return fc.boolean()
      default:
        return fc.constant(null)
    }
  }

  function broken(reference: Schema): Arbitrary<unknown> {
    const schema = resolve(reference)
    return fc.oneof(
      fc.constantFrom(...WRONG_TYPES),
      ...typesOf(schema).map((type) => brokenOfType(type, schema))
    )
  }

  function brokenOfType(type: string, schema: Schema): Arbitrary<unknown> {
    switch (type) {
      case 'object':
        return fc.oneof({ weight: 6, arbitrary: brokenObjects(schema) }, objects(schema, broken))
      case 'string':
        return brokenTexts(schema, valid)
      case 'integer':
        return fc.constantFrom(...edgesBeyond(schema), ...ODD_NUMBERS)
      default:
        return fc.anything({ maxDepth: 2 })
    }
  }

  /** A right one but for one field, which is left out, unknown or broken. */
  function brokenObjects(schema: Schema): Arbitrary<unknown> {
    const names = Object.keys(schema.properties ?? {})
    const field = fc.constantFrom(...names).chain((name) => {
      const one = broken(schema.properties?.[name] as Schema)
      return one.map((value) => (object: object) => ({ ...object, [name]: value }))
    })
    const missing = fc
      .constantFrom(...names)
      .map((name) => (object: object) => ({ ...object, [name]: undefined }))
    const unknown = fc
      .constantFrom('id', 'Name', 'name ', '', '~/', '__proto__x', 'ｎame')
      .map((name) => (object: object) => ({ ...object, [name]: 1 }))
    const changes = fc.oneof({ weight: 3, arbitrary: field }, missing, unknown)
    return fc.tuple(objects(schema, valid), changes).map(([object, change]) => change(object))
  }

  return { valid: remembering(valid), broken: remembering(broken) }
}

/** Made once for each schema: to make them takes longer than to generate a value. */
function remembering<T>(make: (schema: Schema) => T): (schema: Schema) => T {
  const made = new WeakMap<Schema, T>()
  return (schema) => {
    const one = made.get(schema) ?? make(schema)
    made.set(schema, one)
    return one
  }
}

function typesOf({ type, enum: values }: Schema): string[] {
  if (values !== undefined && type === undefined) return ['enum']
  return [type ?? 'any'].flat()
}

function objects(
  { properties = {}, required = [] }: Schema,
  fieldOf: (schema: Schema) => Arbitrary<unknown>
): Arbitrary<object> {
  const values = Object.entries(properties).map(([name, schema]) => [name, fieldOf(schema)])
  return fc.record<Record<string, unknown>>(Object.fromEntries(values), {
    requiredKeys: required,
    noNullPrototype: true
  })
}

function integers({ minimum = 0, maximum = 100 }: Schema): Arbitrary<number> {
  const small = fc.integer({ min: minimum, max: Math.min(maximum, minimum + 5000) })
  return fc.oneof(small, fc.constantFrom(minimum, minimum + 1, maximum - 1, maximum))
}

function edgesBeyond({ minimum = 0, maximum = 100 }: Schema): number[] {
  return [minimum - 1, maximum + 1, minimum + 0.5]
}

function texts({ minLength = 0, maxLength = 50, pattern, format, examples = [] }: Schema): Arbitrary<string> {
  const ofFormat = FORMATS[format ?? '']
  if (ofFormat !== undefined) return ofFormat
  const most = Math.min(maxLength, LONGEST)
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...WORDS, ...(examples as string[])) },
    ...matching(pattern),
    ...CHARACTERS.map((unit) => fc.string({ unit, minLength, maxLength: Math.min(most, minLength + 20) })),
    fc
      .constantFrom('a', 'é', '😀')
      .chain((unit) => fc.constantFrom(minLength, most).map((length) => unit.repeat(length)))
  )
}

/** Not for every pattern: fast-check does not know the properties of Unicode, nor soon what a class leaves out. */
function matching(pattern = '\\p'): Arbitrary<string>[] {
  const isKnown = !/\\p|\[\^/.test(pattern)
  return isKnown ? [fc.stringMatching(new RegExp(pattern, 'u'), { maxLength: 30 })] : []
}

const number = fc.integer({ min: 1, max: 999_999_999 })

const FORMATS: Record<string, Arbitrary<string>> = {
  uuid: fc.uuid(),
  'date-time': fc
    .date({ min: new Date('1990-01-01'), max: new Date('9999-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  viaf: number.map(String),
  wikidata: number.map((digits) => `Q${digits}`),
  openlibrary: number.map((digits) => `OL${digits}A`),
  isni: fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: 15, maxLength: 15 })
    .map((digits) => digits.join('') + isniCheckCharacter(digits.join('')))
}

function brokenTexts(schema: Schema, valid: (schema: Schema) => Arbitrary<unknown>): Arbitrary<unknown> {
  const { minLength = 0, maxLength = 50 } = schema
  const tooLong = Math.min(maxLength, LONGEST) + 1
  const text = valid(schema).map(String)
  return fc.oneof(
    fc.constantFrom(
      ...ODD_TEXTS,
      ' ',
      'a'.repeat(tooLong),
      '😀'.repeat(tooLong),
      'a'.repeat(Math.max(0, minLength - 1))
    ),
    fc.tuple(text, fc.constantFrom(...ODD_TEXTS)).map(([good, odd]) => good + odd),
    fc.tuple(text, fc.constantFrom(...ODD_TEXTS)).map(([good, odd]) => odd + good),
    fc.integer()
  )
}
