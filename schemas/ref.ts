import { type Static, type TSchema, Type } from '@sinclair/typebox'

/**
 * A reference to a schema that keeps its type (a plain `Type.Ref` infers `unknown`) and that becomes
 * `#/components/schemas/{$id}` in the OpenAPI document. An unregistered schema fails at boot.
 */
export function Ref<T extends TSchema>(schema: T) {
  if (schema.$id === undefined) throw new Error('Only a schema with an $id can be referred to.')
  return Type.Unsafe<Static<T>>(Type.Ref(schema.$id))
}

const HEADERS = {
  'X-Request-Id': {
    type: 'string',
    maxLength: 100,
    description: 'The id of the request, by which the log names it too.'
  },
  Location: {
    type: 'string',
    format: 'uri-reference',
    maxLength: 1000,
    description: 'Where the new resource is.'
  },
  ETag: {
    type: 'string',
    maxLength: 40,
    description: 'The version; send it back in `If-Match` to change just this version.',
    examples: ['"5e6f7a8b9c0d.2"']
  },
  Link: {
    type: 'string',
    maxLength: 1000,
    description: 'The next page as a link with `rel="next"` (RFC 8288); absent on the last page.'
  },
  RateLimit: {
    type: 'string',
    maxLength: 200,
    description: 'What is left of the nearest limit, and for how many seconds.',
    examples: ['"login";r=9;t=900']
  },
  'RateLimit-Policy': {
    type: 'string',
    maxLength: 200,
    description: 'The nearest limit, and its window in seconds.',
    examples: ['"login";q=10;w=900']
  },
  'Preference-Applied': {
    type: 'string',
    maxLength: 100,
    description: 'The preference of `Prefer` that was followed (RFC 7240).'
  },
  'Content-Disposition': { type: 'string', maxLength: 200, description: 'The name to save it under.' },
  Trailer: {
    type: 'string',
    maxLength: 100,
    description:
      'The fields that come after the body of a whole file: `Row-Count` and `Repr-Digest` (RFC 9530). A file that is cut off has none.'
  },
  'X-Accel-Buffering': {
    type: 'string',
    maxLength: 10,
    description: '`no` with events, which a proxy is to pass on as they come.'
  },
  'Cache-Control': { type: 'string', maxLength: 100, description: 'Whether the answer may be stored.' },
  Vary: { type: 'string', maxLength: 200, description: 'What of the request the answer depends on.' },
  'WWW-Authenticate': {
    type: 'string',
    maxLength: 200,
    description: 'Which credentials are wanted, and what is wrong with a token (RFC 6750).',
    examples: ['Bearer realm="library", error="invalid_token"']
  },
  'Retry-After': {
    type: 'string',
    maxLength: 200,
    description: 'After how many seconds to try again.',
    examples: ['5']
  },
  Accept: {
    type: 'string',
    maxLength: 200,
    description: 'The media types that a body may have here.',
    examples: ['application/json']
  },
  'Accept-Patch': {
    type: 'string',
    maxLength: 200,
    description: 'The media types that a patch may have here (RFC 5789).',
    examples: ['application/merge-patch+json']
  }
} as const
type HeaderName = keyof typeof HEADERS

/** Those that only some answers of a kind have. */
const SOMETIMES = new Set<HeaderName>([
  'Link',
  'RateLimit',
  'RateLimit-Policy',
  'Preference-Applied',
  'Trailer',
  'X-Accel-Buffering'
])

/** The headers of an answer that counts against a limit. */
export const LIMITED: HeaderName[] = ['RateLimit', 'RateLimit-Policy']

/** One documented answer: its description, its body's schema by reference, and the headers that come with it. */
export function answer<T extends TSchema>(description: string, schema: T, headers: HeaderName[] = []) {
  return {
    description,
    headers: documentedHeaders(headers),
    content: { 'application/json': { schema: Ref(schema) } }
  }
}

/** One documented answer in media types of its own. */
export function answerAs(description: string, media: Record<string, TSchema>, headers: HeaderName[] = []) {
  const content = Object.entries(media).map(([type, schema]) => [type, { schema: Ref(schema) }])
  return { description, headers: documentedHeaders(headers), content: Object.fromEntries(content) }
}

/** A body in media types of its own. */
export function bodyAs<T extends TSchema>(media: Record<string, T>) {
  const content = Object.entries(media).map(([type, schema]) => [type, { schema: Ref(schema) }])
  return { content: Object.fromEntries(content) }
}

/** An answer without a body. */
export function emptyAnswer(description: string, headers: HeaderName[] = []) {
  return Type.Unsafe<null>({ type: 'null', description, headers: documentedHeaders(headers) })
}

/** The headers by their names, and the id of the request; `required` when every such answer has them. */
export function documentedHeaders(names: HeaderName[]) {
  return Object.fromEntries(
    [...names, 'X-Request-Id' as const].map((name) => [
      name,
      { ...HEADERS[name], required: !SOMETIMES.has(name) }
    ])
  )
}

/** The header of this name in small letters, under the name by which it is known. Throws when nothing says what it is. */
export function documentedHeader(lowerCaseName: string, required: boolean) {
  const known = Object.entries(HEADERS).find(([name]) => name.toLowerCase() === lowerCaseName)
  if (known === undefined)
    throw new TypeError(`schemas/ref.ts does not say what the header ${lowerCaseName} is`)
  const [name, header] = known
  return { [name]: { ...header, required } }
}
