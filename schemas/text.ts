import { type StringOptions, type TSchema, type TUnsafe, Type } from '@sinclair/typebox'

/** What PostgreSQL and C strings cut at, and halves of a character, which UTF-8 cannot hold. */
const NEVER = '\\u0000\\p{Cs}'
/** What ends a line, and what ISO-2022 and terminals take for commands; of C1 library catalogues use some (ISO 6630). */
const CONTROLS = '\\u0001-\\u001f\\u007f\\u0085\\u2028\\u2029'
/** Neither blank nor a mark, a control or filler that shows nothing by itself. */
const VISIBLE_CHARACTER = '[^\\p{C}\\p{M}\\p{DI}\\s\\u2800]'
/** The others of a line; as no character is both, there is one way only to read a text, which takes linear time. */
const INVISIBLE = '\\u0080-\\u0084\\u0086-\\u009f\\p{Cf}\\p{Co}\\p{Cn}\\p{M}\\p{DI}\\p{Zs}\\u2800'
const LINE = `^[${INVISIBLE}]*${VISIBLE_CHARACTER}[^${CONTROLS}${NEVER}]*$`
/** What was taken before controls were refused, and so may be stored. */
const STORED_LINE = `^[${CONTROLS}${INVISIBLE}]*${VISIBLE_CHARACTER}[^${NEVER}]*$`

/** What other programs can check of these: a byte that is a control, a blank or NUL means the same to all of them. */
const PUBLISHED_LINE = '^\\x20*[^\\x00-\\x20\\x7f][^\\x00-\\x1f\\x7f]*$'
const PUBLISHED_STORED_LINE = '^[\\x01-\\x20\\x7f]*[^\\x00-\\x20\\x7f][^\\x00]*$'
const PUBLISHED_TEXT = '^[^\\x00]*$'

type TextOptions = StringOptions & { maxLength: number; description: string }

/** A line of at least one visible character that comes back exactly as it was sent. */
export function Text(options: TextOptions) {
  return Type.String({ minLength: 1, pattern: LINE, publishedPattern: PUBLISHED_LINE, ...options })
}

/** Text of any number of lines that may also be empty or blank. */
export function FreeText(options: TextOptions) {
  return Type.String({ pattern: `^[^${NEVER}]*$`, publishedPattern: PUBLISHED_TEXT, ...options })
}

/** The schema of a line in an answer: what is stored may have controls, which were taken once. */
export function asStored<T extends TSchema>(line: T): T {
  return { ...line, pattern: STORED_LINE, publishedPattern: PUBLISHED_STORED_LINE }
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
