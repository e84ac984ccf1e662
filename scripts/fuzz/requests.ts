/** Requests for the operations of the document, right ones and broken ones. */
import fc, { type Arbitrary } from 'fast-check'
import type { Sent } from './client.ts'
import type { Operation, Parameter, Route, Schema } from './document.ts'
import type { State } from './state.ts'
import type { Values } from './values.ts'

type Pair = [name: string, value: string]

/** A request in which placeholders stand for what the service has given. */
export interface Plan {
  method: string
  path: string
  query: Pair[]
  headers: Pair[]
  body: Body | undefined
  isChunked: boolean
}

interface Body {
  text: string
  encoding: 'utf8' | 'latin1'
}

/** They hash passwords, or start a thread. */
const SLOW = new Set(['register', 'login', 'changeMyPassword', 'deleteMe', 'resetPassword', 'importAuthors'])
const QUICK_WEIGHT = 8

/** Requests for all operations; each right in most parts. */
export function plansOf(routes: Route[], values: Values): Arbitrary<Plan> {
  const weighted = routes.map((route) => ({
    weight: SLOW.has(route.operation.operationId) ? 1 : QUICK_WEIGHT,
    arbitrary: planOf(route, values)
  }))
  const [first, ...others] = weighted
  return fc.oneof(first as (typeof weighted)[number], ...others)
}

function planOf({ method, address, operation }: Route, values: Values): Arbitrary<Plan> {
  const parameters = Map.groupBy(operation.parameters ?? [], (parameter) => parameter.in)
  const { requestBody } = operation
  return fc
    .record({
      method: mostly(
        fc.constant(method),
        fc.constantFrom('HEAD', 'OPTIONS', 'PUT', 'POST', 'DELETE', 'PATCH'),
        20
      ),
      path: pathOf(address, parameters.get('path') ?? [], values),
      query: mostly(
        queryOf(parameters.get('query') ?? [], values),
        brokenQueryOf(parameters.get('query') ?? [], values),
        4
      ),
      credentials: credentialsOf(operation),
      headers: headersOf(parameters.get('header') ?? [], values),
      content: requestBody === undefined ? strayContent() : contentOf(requestBody.content, values),
      isChunked: mostly(fc.constant(false), fc.constant(true), 8)
    })
    .map(({ credentials, headers, content, ...plan }) => ({
      ...plan,
      headers: [...credentials, ...headers, ...content.headers],
      body: content.body
    }))
}

/** One of the usual, or one time in so many one of the other; what fails is simplified to the usual. */
function mostly<A, B>(usual: Arbitrary<A>, other: Arbitrary<B>, oneIn: number): Arbitrary<A | B> {
  return either(usual, other, oneIn - 1, 1)
}

/** The same, but simplified to the other. */
function usually<A, B>(usual: Arbitrary<A>, other: Arbitrary<B>, oneIn: number): Arbitrary<A | B> {
  return either(other, usual, 1, oneIn - 1)
}

function either<A, B>(simple: Arbitrary<A>, other: Arbitrary<B>, ...[first, second]: [number, number]) {
  return fc.oneof<[Arbitrary<A>, Arbitrary<B>]>(
    { withCrossShrink: true },
    { weight: first, arbitrary: simple } as never,
    { weight: second, arbitrary: other } as never
  )
}

/** A placeholder for one of a pool. */
function oneOf(pool: string): Arbitrary<string> {
  return fc.nat(100).map((number) => `{{${pool}:${number}}}`)
}

/** The text percent-encoded, but for its placeholders. */
function encode(text: string): string {
  return text
    .split(/({{\w+:\d+}})/)
    .map((part, index) => (index % 2 === 1 ? part : encodeURIComponent(part.toWellFormed())))
    .join('')
}

const ODD_SEGMENTS = [
  '%zz',
  '%ff',
  '%00',
  '.',
  '..',
  '%2e%2e',
  '%2F',
  'a;b',
  '%',
  'x'.repeat(201),
  'x'.repeat(501)
]

function pathOf(address: string, parameters: Parameter[], values: Values): Arbitrary<string> {
  const pool = poolOf(address)
  const segments = parameters.map(({ name, schema }) => {
    const any = fc.oneof(values.valid(schema), values.broken(schema)).map((value) => encode(String(value)))
    return mostly(oneOf(pool), fc.oneof(any, fc.constantFrom(...ODD_SEGMENTS)), 4).map(
      (value): Pair => [name, value]
    )
  })
  const filled = fc
    .tuple(...segments)
    .map((pairs) => pairs.reduce((path, [name, value]) => path.replace(`{${name}}`, () => value), address))
  return mostly(
    filled,
    filled.chain((path) => fc.constantFrom(`${path}/`, `${path}/x`, `/x${path}`, `/${path}`)),
    30
  )
}

/** Where that which stands in the path was given. */
function poolOf(address: string): string {
  return /authors|users|keys|sessions|problems/.exec(address)?.[0] ?? 'none'
}

function queryOf(parameters: Parameter[], values: Values): Arbitrary<Pair[]> {
  const pairs = parameters.map((parameter) =>
    fc
      .option(queryValue(parameter, values), { nil: undefined, freq: 1 })
      .map((value) => [parameter.name, value])
  )
  return fc
    .tuple(...pairs)
    .map((all) => all.filter((pair): pair is Pair => pair[1] !== undefined))
    .chain((all) => fc.subarray(all, { maxLength: Math.min(4, all.length) }))
}

function queryValue({ name, schema }: Parameter, values: Values): Arbitrary<string> {
  const valid = values.valid(schema).map((value) => encode(String(value)))
  if (name === 'cursor') return oneOf('cursors')
  if (name === 'owner') return fc.oneof(valid, oneOf('users'))
  if (name === 'version' || name === 'since') return fc.oneof(valid, fc.constantFrom('1', '2', '3'))
  return valid
}

const ODD_QUERY_VALUES = [
  '',
  '%zz',
  '%ff',
  '%00',
  '05',
  '+5',
  '1e1',
  '0x10',
  '%205',
  'TRUE',
  'null',
  '[]',
  'x=y'
]

function brokenQueryOf(parameters: Parameter[], values: Values): Arbitrary<Pair[]> {
  const names = [
    '',
    'x',
    'LIMIT',
    '__proto__',
    'constructor',
    'limit%00',
    'q[]',
    ...parameters.map(({ name }) => name)
  ]
  const odd: Arbitrary<Pair> = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...ODD_QUERY_VALUES))
  const broken = parameters.map(({ name, schema }) =>
    values.broken(schema).map((value): Pair => [name, encode(String(value))])
  )
  return fc.tuple(queryOf(parameters, values), fc.oneof(odd, ...broken)).chain(([pairs, pair]) => {
    const doubled: Pair[] = [...pairs, ...pairs.slice(0, 1)]
    return fc.constantFrom(doubled, [...pairs, pair], [pair, pair])
  })
}

const ROLES = ['reader', 'editor', 'admin']
const ODD_CREDENTIALS = [
  ...[
    '',
    'Bearer',
    'Bearer ',
    'Bearer x',
    'Bearer a.b.c',
    'Bearer library_',
    'Basic',
    'Basic ::',
    'Digest x'
  ],
  ...[
    'Bearer {{refresh:0}}',
    'Bearer {{editor_token:0}}x',
    'Bearer {{editor_token:0}} x',
    'Bearer={{editor_token:0}}'
  ],
  ...[
    'Basic {{editor_token:0}}',
    'Bearer {{basic:0}}',
    'Basic {{basic:0}}x',
    'Basic bm9ib2R5Om5vYm9keQ==',
    'Basic Og=='
  ]
]

function credentialsOf({ security }: Operation): Arbitrary<Pair[]> {
  const usual = security?.some((scheme) => 'basic' in scheme)
    ? oneOf('basic').map((pair) => `Basic ${pair}`)
    : bearers()
  const one = mostly(usual, fc.oneof(bearers(), fc.constantFrom(...ODD_CREDENTIALS)), 6)
  const none = fc.constant<Pair[]>([])
  return usually(
    one.map((value): Pair[] => [['authorization', value]]),
    none,
    security?.length === 0 ? 2 : 10
  )
}

function bearers(): Arbitrary<string> {
  const role = mostly(fc.constantFrom('editor', 'admin'), fc.constantFrom(...ROLES), 4)
  const kind = mostly(fc.constant('token'), fc.constantFrom('read', 'write'), 5)
  const persona = fc.tuple(role, kind).map(([name, type]) => `{{${name}_${type}:0}}`)
  return fc
    .tuple(mostly(persona, oneOf('spare'), 20), fc.constantFrom('Bearer ', 'Bearer ', 'Bearer ', 'bearer  '))
    .map(([token, scheme]) => scheme + token)
}

const ACCEPTS = [
  '*/*',
  'application/json',
  'text/html',
  'text/event-stream',
  'application/x-ndjson',
  'text/csv',
  'image/png',
  '',
  ';;'
]
const OTHER_HEADERS: Pair[] = [
  ...ACCEPTS.map((value): Pair => ['accept', value]),
  ['accept-encoding', 'gzip'],
  ['content-encoding', 'gzip'],
  ['origin', 'https://example.org'],
  ['user-agent', '\u00e9\u00ff'],
  ['x-http-method-override', 'DELETE'],
  ['range', 'bytes=0-1'],
  ['if-modified-since', 'x'],
  ['cookie', 'a=b'],
  ['te', 'trailers']
]

function headersOf(parameters: Parameter[], values: Values): Arbitrary<Pair[]> {
  const documented = parameters.map((parameter) =>
    fc.option(
      headerValue(parameter, values).map((value): Pair => [parameter.name, value]),
      { freq: 1 }
    )
  )
  const others = fc.subarray(OTHER_HEADERS, { maxLength: 2 })
  return fc
    .tuple(fc.tuple(...documented), mostly(fc.constant([]), others, 3))
    .map(([own, more]) => [...own.filter((pair) => pair !== null), ...more])
}

/** Stands for the newest ETag at the path. */
const ETAG = '{{etag}}'
const ODD_ETAGS = ['*', '', `W/${ETAG}`, `"x", ${ETAG}`, '"x.1"', '"'.repeat(201)]
const PREFERENCES = [
  'return=minimal',
  'return=representation',
  'RETURN = "minimal"; x=y',
  'wait=1, return=minimal',
  'x'
]

function headerValue({ name, schema }: Parameter, values: Values): Arbitrary<string> {
  const any = fc.oneof(values.valid(schema), values.broken(schema)).map(String).filter(isFieldValue)
  if (name.startsWith('if-'))
    return fc.oneof({ weight: 3, arbitrary: fc.constant(ETAG) }, fc.constantFrom(...ODD_ETAGS), any)
  if (name === 'prefer') return fc.oneof(fc.constantFrom(...PREFERENCES), any)
  if (name === 'idempotency-key') return mostly(oneOf('idempotency'), any, 4)
  return any
}

/** What Node's client lets into a header. */
function isFieldValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text)
}

interface Content {
  headers: Pair[]
  body: Body | undefined
}

const utf8 = (text: string): Body => ({ text, encoding: 'utf8' })
const typed = (type: string, body: Body | undefined): Content => ({ headers: [['content-type', type]], body })

const ODD_TYPES = [
  ...[
    'application/json',
    'APPLICATION/JSON',
    'application/json;',
    'application/json; charset=utf-16',
    'text/csv'
  ],
  ...[
    'application/merge-patch+json',
    'application/x-ndjson',
    'text/csv; header=present',
    'text/plain',
    '',
    ';',
    'x'
  ],
  ...[
    'application/json, text/csv',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '*/*'
  ]
]
const ODD_BODIES: Body[] = [
  ...[
    '',
    ' ',
    '{}',
    '[]',
    'null',
    '"',
    '{"a":1',
    '{} {}',
    '\ufeff{}',
    "{'a':1}",
    '{"a":1,}',
    '{"__proto__":{}}'
  ].map(utf8),
  ...['{"name":1e400}', '{"name":"a","name":"b"}', '[NaN]', '['.repeat(2000), 'a,b\r\n"', '\u0000'].map(utf8),
  { text: '{"name":"\xff\xfe"}', encoding: 'latin1' }
]

const NOTHING = fc.constant<Content>({ headers: [], body: undefined })

/** What an operation without a body may get all the same. */
function strayContent(): Arbitrary<Content> {
  return mostly(NOTHING, oddContent(), 12)
}

function oddContent(): Arbitrary<Content> {
  const body = fc.option(fc.constantFrom(...ODD_BODIES), { nil: undefined })
  return fc
    .tuple(fc.option(fc.constantFrom(...ODD_TYPES)), body)
    .map(([type, content]) => (type === null ? { headers: [], body: content } : typed(type, content)))
}

function contentOf(content: Record<string, { schema: Schema }>, values: Values): Arbitrary<Content> {
  const types = fc.constantFrom(...Object.keys(content))
  const good = types.chain((type) =>
    goodBody(type, content[type]?.schema as Schema, values).map((body) => typed(type, body))
  )
  const broken = types.chain((type) =>
    fc
      .oneof(values.broken(content[type]?.schema as Schema).map(toJson), fc.constantFrom(...ODD_BODIES))
      .map((body) => typed(type, body))
  )
  const mistyped = fc.tuple(good, fc.constantFrom(...ODD_TYPES)).map(([{ body }, type]) => typed(type, body))
  return fc.oneof(
    { weight: 8, arbitrary: good },
    { weight: 5, arbitrary: broken },
    { weight: 1, arbitrary: mistyped },
    { weight: 1, arbitrary: NOTHING },
    { weight: 1, arbitrary: oddContent() }
  )
}

function toJson(value: unknown): Body {
  return utf8(JSON.stringify(value) ?? '')
}

/** Fields for which the service has given something, or knows something. */
const REMEMBERED: Record<string, string> = {
  refresh_token: 'refresh',
  current_password: 'passwords',
  password: 'passwords',
  username: 'usernames',
  code: 'codes'
}

function goodBody(type: string, schema: Schema, values: Values): Arbitrary<Body> {
  if (!/[/+]json$/.test(type)) return fileOf(type)
  return fc.tuple(values.valid(schema), fc.nat(100)).map(([value, number]) => {
    const fields = Object.entries(value as object).map(([name, field]) => {
      const pool = REMEMBERED[name]
      return [name, pool !== undefined && number < 70 ? `{{${pool}:${number}}}` : field]
    })
    return toJson(Object.fromEntries(fields))
  })
}

const CELLS = [
  'Rushdie',
  'Fury',
  'India',
  '',
  '"a,b"',
  "'=1",
  'true',
  '1947',
  '\u0000',
  '"',
  '\ud83d\ude00',
  'x'.repeat(301)
]

function fileOf(type: string): Arbitrary<Body> {
  const rows = fc.array(fc.tuple(...Array(3).fill(fc.constantFrom(...CELLS))), { maxLength: 4 })
  if (type === 'text/csv') {
    return rows.map((cells) => utf8(['name,book,country', ...cells.map((row) => row.join(','))].join('\r\n')))
  }
  return rows.map((cells) =>
    utf8(cells.map(([name, book, country]) => `${JSON.stringify({ name, book, country })}\n`).join(''))
  )
}

/** The request of the plan, as the state fills it in. */
export function toSent({ method, path, query, headers, body, isChunked }: Plan, state: State): Sent {
  const filledPath = state.fill(path, encodeURIComponent)
  const parameters = query.map(([name, value]) => `${name}=${value}`).join('&')
  const target =
    query.length === 0 ? filledPath : `${filledPath}?${state.fill(parameters, encodeURIComponent)}`
  const inJson = (value: string) => JSON.stringify(value).slice(1, -1)
  return {
    method,
    target,
    headers: headers.map(
      ([name, value]): Pair => [name, state.fill(value.replace(ETAG, () => state.etagAt(filledPath)))]
    ),
    isChunked: isChunked && body !== undefined,
    ...(body !== undefined && { body: Buffer.from(state.fill(body.text, inJson), body.encoding) })
  }
}
