import type { Document, Schema } from './document.ts'

/** Formats that JSON Schema names, so that a client's tools know them; ours have a sentence in their description. */
const KNOWN_FORMATS = new Set(['date-time', 'uri-reference', 'uuid'])

const QUANTIFIER = String.raw`(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})?`
const CHARACTER = String.raw`(?:[\w !"#%&',:;<=>@~-]|\\x[0-7][0-9a-f]|\\[.*+?()|{}[\]^$\\/-])`
const IN_CLASS = String.raw`(?:[\w !"#%&',:;<=>@.*+?()|{}$/~]|\\x[0-7][0-9a-f]|\\[[\]^\\-])`
const CLASS = String.raw`\[\^?(?:${IN_CLASS}(?:-${IN_CLASS})?)+\]`
const PORTABLE = new RegExp(String.raw`^(?:\^|\$|\||\((?:\?:)?|(?:\)|${CLASS}|${CHARACTER})${QUANTIFIER})*$`)

/**
 * Whether ECMAScript without flags, Python's `re` and RE2 read the pattern alike: ASCII, classes of it, groups and bounded or plain
 * repetitions. Only `$` differs, which in Python also stands before a line feed at the end.
 */
export function isPortable(pattern: string): boolean {
  return PORTABLE.test(pattern)
}

/**
 * The document without what only this service knows. A `pattern` that not every tool reads gives way to the schema's
 * `publishedPattern`, which takes all that it takes, or to none; the service goes on to check the first.
 */
export function published(document: Document): Document {
  return JSON.parse(JSON.stringify(document), (_key, value) =>
    isSchema(value) ? publishedSchema(value) : value
  )
}

function publishedSchema({ pattern, publishedPattern = pattern, format, ...schema }: Schema): Schema {
  return {
    ...schema,
    ...(publishedPattern !== undefined && isPortable(publishedPattern) && { pattern: publishedPattern }),
    ...(format !== undefined && KNOWN_FORMATS.has(format) && { format })
  }
}

function isSchema(value: unknown): value is Schema {
  return (
    typeof value === 'object' && value !== null && 'type' in value && [value.type].flat().includes('string')
  )
}
