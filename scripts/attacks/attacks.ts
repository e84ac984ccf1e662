/** Requests that put what has made parsers, expressions and normal forms slow into every place of an operation, as much as fits. */
import { CSV, NDJSON } from '../../schemas/transfers.ts'

export const PASSWORD = 'the moors last sigh'

export interface Schema {
  $ref?: string
  type?: string | string[]
  maxLength?: number
  properties?: Record<string, Schema>
  examples?: object[]
}

export interface Operation {
  method: string
  address: string
  security?: object[]
  parameters?: { in: string; name: string; schema: Schema }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
}

export interface Attack {
  title: string
  method: string
  url: string
  headers: Record<string, string>
  body?: string
}

const MIB = 1024 * 1024
/** Of 16 KiB, what is left beside a token and what a client adds. */
const ROOM_IN_HEAD = 14_000
const ROOM_IN_BODY = MIB - 2_000

/** A row of one character, or few, and an end that does not fit. */
type Run = (length: number) => string

const RUNS: Run[] = [
  (length) => `${'a'.repeat(length - 1)}\u0000`,
  (length) => `${' '.repeat(length - 1)}\u0000`,
  (length) => `${' '.repeat(length - 1)}x`,
  (length) => `${'-'.repeat(length - 1)}!`,
  (length) => `${'0'.repeat(length - 1)}x`,
  (length) => `a${'\u0301'.repeat(length / 2)}${'\u0316'.repeat(length / 2 - 1)}`,
  (length) => '"'.repeat(length),
  (length) => '\\'.repeat(length),
  (length) => '\ufb03'.repeat(length),
  (length) => '\ufdfa'.repeat(length),
  (length) => '\ud800'.repeat(length),
  (length) => 't'.repeat(length),
  (length) => '\u{1f600}'.repeat(length / 2),
  (length) => ',;'.repeat(length / 2),
  (length) => '=/'.repeat(length / 2),
  (length) => 'a b, '.repeat(length / 5)
]

/** Whole bodies of up to one MiB, a list each of which there are as many as fit, and one of as many as are read. */
const BODIES: Record<string, string> = {
  'unknown names': `{${list(MIB / 12, (i) => `"${i.toString(36)}":1`)}}`,
  'fewer unknown names': `{${list(9_000, (i) => `"${i}${'x'.repeat(100)}":1`)}}`,
  'unknown names within': `{"identifiers":{${list(9_000, (i) => `"${i}${'~'.repeat(100)}":1`)}}}`,
  'numbers as names': `{${list(MIB / 12, (i) => `"${i}":1`)}}`,
  'one name': `{${list(MIB / 9, () => '"name":1')}}`,
  'one name, and numbers': `{"name":1,"name":[${list(MIB / 2 - 20, () => '1')}]}`,
  'nested lists': '['.repeat(MIB / 2) + ']'.repeat(MIB / 2),
  'fewer nested lists': `{"name":${'['.repeat(19_000)}${' '.repeat(MIB / 2)}${']'.repeat(19_000)}}`,
  'nested objects': '{"a":'.repeat(MIB / 6),
  'fewer nested objects': `${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`,
  'a list of numbers': `[${list(MIB / 3, () => '1')}]`,
  'a list of long numbers': `{"name":[${list(5_000, (i) => `0.${i + 10_000}${'0'.repeat(180)}`)}]}`,
  'a list of objects': `[${list(MIB / 9, () => '{"a":1}')}]`,
  'a long number': `{"birth_year":1${'0'.repeat(MIB - 30)}}`,
  'a long fraction': `{"birth_year":1.${'0'.repeat(MIB - 30)}}`,
  'a long exponent': `{"birth_year":1e${'0'.repeat(MIB - 30)}}`,
  prototypes: `{"name":[${list(9_000, () => `"__proto__"${' '.repeat(90)}`)},{"__proto__":1}]}`,
  'white space': `{"name"${' '.repeat(MIB - 30)}:1}`,
  'line breaks': `{"name"${'\r'.repeat(MIB - 30)}1}`,
  'a string without an end': `{"name":"${'\\"'.repeat(MIB / 2 - 10)}`,
  escapes: `{"${'\\u0061'.repeat(MIB / 6 - 10)}":1}`
}

function list(count: number, write: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => write(i)).join(',')
}

const HEADERS = [
  ...[
    'accept',
    'accept-encoding',
    'access-control-request-headers',
    'content-encoding',
    'content-type',
    'cookie'
  ],
  ...['idempotency-key', 'if-none-match', 'origin', 'prefer', 'range', 'user-agent', 'x-forwarded-for']
]

/** Runs in places of the operation, place by place: every `step`-th of all. The headers are credentials that are good. */
export function attacksOn(
  operation: Operation,
  schemas: Record<string, Schema>,
  headers: Record<string, string>,
  step: number
): Attack[] {
  const places = [...addressesOf(operation), ...headersOf(operation), ...fieldsOf(operation, schemas)]
  return places
    .flatMap((place) => RUNS.map((run) => ({ ...place, run })))
    .filter((_, index) => index % step === 0)
    .map(({ title, attack, run }) => complete({ title, ...attack(run) }, operation, headers))
}

/** What comes in place of a body that the operation takes. */
export function wholeBodiesOf(operation: Operation, headers: Record<string, string>): Attack[] {
  if (jsonTypeOf(operation) === undefined) return []
  return Object.entries(BODIES).map(([title, body]) => complete({ title, body }, operation, headers))
}

type Part = Partial<Attack>

/** Where in a request there can be a run, and how it gets there. */
interface Place {
  title: string
  attack(run: Run): Part
}

function complete(attack: Part, operation: Operation, headers: Record<string, string>): Attack {
  const { method, address } = operation
  const type = attack.body === undefined ? undefined : jsonTypeOf(operation)
  return {
    method,
    url: address,
    ...attack,
    title: `${method} ${address} ${attack.title}`,
    headers: { ...headers, ...(type !== undefined && { 'content-type': type }), ...attack.headers }
  }
}

function addressesOf({ address, parameters = [] }: Operation): Place[] {
  const encode = (text: string) => encodeURIComponent(text.toWellFormed())
  return parameters
    .filter((parameter) => parameter.in !== 'header')
    .flatMap(({ in: place, name: title, schema }) =>
      [schema.maxLength ?? 10, ROOM_IN_HEAD].map((room) => ({
        title,
        attack: (run) => {
          const value = filled(run, room, encode)
          return {
            url: place === 'path' ? address.replace(`{${title}}`, value) : `${address}?${title}=${value}`
          }
        }
      }))
    )
}

function headersOf(operation: Operation): Place[] {
  const { parameters = [] } = operation
  const documented = parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name)
  const credentials = ['Basic ', 'Bearer ', ''].map((scheme) => placeIn('authorization', scheme))
  const places = [...new Set([...documented, ...HEADERS])].map((name) => placeIn(name))
  return [...places, ...credentials, ...(isBasic(operation) ? [USERNAME, BASIC_PASSWORD] : [])]
}

/** Node's client sends Latin-1 without controls, and nothing else. */
function placeIn(title: string, before = ''): Place {
  const write = (run: Run) => before + run(ROOM_IN_HEAD).replaceAll(/[^ -~]/g, '\u00e9')
  return { title, attack: (run) => ({ headers: { [title]: write(run) } }) }
}

const decoded = (run: Run) => filled(run, ROOM_IN_HEAD * 0.7, (text) => text.toWellFormed())
const USERNAME: Place = {
  title: 'the username',
  attack: (run) => ({ headers: { authorization: basic(decoded(run), PASSWORD) } })
}
const BASIC_PASSWORD: Place = {
  title: 'the password',
  attack: (run) => ({ headers: { authorization: basic('nobody', decoded(run)) } })
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

export function isBasic({ security }: Operation): boolean {
  return JSON.stringify(security) === '[{"basic":[]}]'
}

function fieldsOf(operation: Operation, schemas: Record<string, Schema>): Place[] {
  const schema = schemaOf(operation, schemas)
  return stringsOf(schema).flatMap(({ names, maxLength }) => {
    const write = (value: string) => JSON.stringify(withValue(schema?.examples?.[0], names, value))
    const title = names.join('.')
    return [
      { title, attack: (run) => ({ body: write(run(maxLength)) }) },
      { title, attack: (run) => ({ body: filled(run, ROOM_IN_BODY, write) }) }
    ]
  })
}

interface ImportFile {
  mediaType: string
  write(): string
}

/** Files for an import: of one row that is as long as a row may be, and of what else fits into one MiB. */
export function importFiles(): ImportFile[] {
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
  const asName = (name: string) => JSON.stringify({ name })
  const asIsni = (isni: string) => JSON.stringify({ identifiers: { isni } })
  const csv = RUNS.map((run) => () => `${CSV_COLUMNS}\n${filled(run, LONGEST_ROW, quote)},x,y,\n`)
  const others = CSV_FILES.map((text) => () => text)
  const ndjson = RUNS.flatMap((run) => [asName, asIsni].map((write) => () => filled(run, LONGEST_ROW, write)))
  const bodies = Object.values(BODIES).map((text) => () => text.slice(0, LONGEST_ROW))
  return [
    ...[...csv, ...others].map((write) => ({ mediaType: CSV, write })),
    ...[...ndjson, ...bodies].map((write) => ({ mediaType: NDJSON, write }))
  ]
}

const CSV_COLUMNS = 'name,book,country,isni'
const LONGEST_ROW = 990_000
const CSV_FILES = [
  `name,"${'""'.repeat(LONGEST_ROW / 2)}`,
  `name,${'-'.repeat(LONGEST_ROW)}\n`,
  `name${','.repeat(400_000)}\nx\n`,
  `${list(150_000, (i) => i.toString(36))}\n`,
  `${list(150_000, () => 'name')}\n`,
  `${CSV_COLUMNS}\n${','.repeat(400_000)}\n`,
  `${CSV_COLUMNS}\n${'\n'.repeat(900_000)}`
]

/** As much of the run as can be written in so many bytes. */
function filled(run: Run, bytes: number, write: (text: string) => string): string {
  const sizeOf = (length: number) => Buffer.byteLength(write(run(length)))
  const each = (sizeOf(400) - sizeOf(200)) / 200
  return write(run(2 * Math.max(5, Math.floor((bytes - sizeOf(200)) / each / 2))))
}

function jsonTypeOf({ requestBody }: Operation): string | undefined {
  return Object.keys(requestBody?.content ?? {}).find((type) => /json$/.test(type) && !/ndjson/.test(type))
}

function schemaOf(operation: Operation, schemas: Record<string, Schema>): Schema | undefined {
  const type = jsonTypeOf(operation)
  return type === undefined
    ? undefined
    : schemas[operation.requestBody?.content[type]?.schema.$ref?.split('/').at(-1) ?? '']
}

/** Every field by the names that lead to it. */
function stringsOf(schema: Schema = {}, names: string[] = []): { names: string[]; maxLength: number }[] {
  const within = Object.entries(schema.properties ?? {})
  if (within.length > 0) return within.flatMap(([name, inner]) => stringsOf(inner, [...names, name]))
  return names.length === 0 ? [] : [{ names, maxLength: schema.maxLength ?? 10 }]
}

function withValue(example: unknown, [name, ...names]: string[], value: string): unknown {
  if (name === undefined) return value
  const members = (example ?? {}) as Record<string, unknown>
  return { ...members, [name]: withValue(members[name], names, value) }
}
