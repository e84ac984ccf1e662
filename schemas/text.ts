import { type StringOptions, type TSchema, type TUnsafe, Type } from '@sinclair/typebox'

/** Any character but NUL, which C strings and PostgreSQL cut at, and lone surrogates, which UTF-8 cannot hold. */
const CHARACTER = '[^\\u0000\\p{Cs}]'
/** Neither blank nor a mark, a control or filler that shows nothing by itself. */
const VISIBLE_CHARACTER = '[^\\p{C}\\p{M}\\p{DI}\\s\\u2800]'
/** The other ones; as no character is both, there is one way only to read a text, which takes linear time. */
const INVISIBLE_CHARACTER = '[\\u0001-\\u001f\\u007f-\\u009f\\p{Cf}\\p{Co}\\p{Cn}\\p{M}\\p{DI}\\s\\u2800]'

/** What other programs can check of these: a byte that is a control, a blank or NUL means the same to all of them. */
const PUBLISHED_TEXT = '^[\\x01-\\x20\\x7f]*[^\\x00-\\x20\\x7f][^\\x00]*$'
const PUBLISHED_FREE_TEXT = '^[^\\x00]*$'

type TextOptions = StringOptions & { maxLength: number; description: string }

/** Text of at least one visible character that comes back exactly as it was sent. */
export function Text(options: TextOptions) {
  return Type.String({
    minLength: 1,
    pattern: `^${INVISIBLE_CHARACTER}*${VISIBLE_CHARACTER}${CHARACTER}*$`,
    publishedPattern: PUBLISHED_TEXT,
    ...options
  })
}

/** Text that may also be empty or blank. */
export function FreeText(options: TextOptions) {
  return Type.String({ pattern: `^${CHARACTER}*$`, publishedPattern: PUBLISHED_FREE_TEXT, ...options })
}

/**
 * The schema, or null. Written as a type array because the serialiser tests the branches of an `anyOf`
 * one by one with Ajv, at every answer.
 */
export function Nullable<T extends TSchema>(schema: T): TUnsafe<T['static'] | null> {
  return Type.Unsafe({ ...schema, type: [schema.type, 'null'] })
}

/** The number of a character as Unicode writes it: `U+034F`. */
export function codePointOf(character: string): string {
  return `U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`
}
