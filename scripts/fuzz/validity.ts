/** What the document says of a request before it is sent. */
import { isUtf8 } from 'node:buffer'
import type { Sent } from './client.ts'
import type { Operation, Parameter, Schema } from './document.ts'
import type { Check } from './schemas.ts'

/** Why a request does not fit the document, if it does not; `isCertain` when that it fits is beyond doubt. */
export interface Validity {
  invalid: string | undefined
  isCertain: boolean
}

const VALID: Validity = { invalid: undefined, isCertain: true }
const UNCERTAIN: Validity = { invalid: undefined, isCertain: false }
const because = (invalid: string): Validity => ({ invalid, isCertain: false })

export function validityOf(
  operation: Operation,
  sent: Sent,
  parameters: Record<string, string>,
  check: Check
): Validity {
  const documented = Map.groupBy(operation.parameters ?? [], (parameter) => parameter.in)
  const parts = [
    ofPath(documented.get('path') ?? [], parameters, check),
    ofQuery(documented.get('query') ?? [], sent, check),
    ofHeaders(documented.get('header') ?? [], sent, check),
    ofBody(operation, sent, check)
  ]
  return {
    invalid: parts.find(({ invalid }) => invalid !== undefined)?.invalid,
    isCertain: parts.every(({ isCertain }) => isCertain)
  }
}

function ofPath(documented: Parameter[], parameters: Record<string, string>, check: Check): Validity {
  for (const { name, schema } of documented) {
    const value = decode(parameters[name] as string)
    if (value === undefined) return UNCERTAIN
    if (check(schema, value).length > 0) return because(`${name} in the path`)
  }
  return VALID
}

function ofQuery(documented: Parameter[], { target }: Sent, check: Check): Validity {
  const text = target.split('?').slice(1).join('?')
  const seen = new Set<string>()
  for (const pair of text === '' ? [] : text.split('&')) {
    const [rawName = '', ...rest] = pair.split('=')
    const [name, value] = [decode(rawName), decode(rest.join('='))]
    if (name === undefined || value === undefined) return because('the percent-encoding of the query')
    if (pair === '') return UNCERTAIN
    const schema = documented.find((parameter) => parameter.name === name)?.schema
    if (schema === undefined) return because(`${name} in the query is not known`)
    if (seen.has(name)) return because(`${name} stands twice in the query`)
    seen.add(name)
    if (check(schema, read(value, schema)).length > 0) return because(`${name} in the query`)
  }
  return VALID
}

/** The value that the text is in so many words. */
function read(text: string, { type }: Schema): unknown {
  if (type === 'integer') return String(Number(text)) === text ? Number(text) : text
  if (type === 'boolean') return text === 'true' || text === 'false' ? text === 'true' : text
  return text
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function ofHeaders(documented: Parameter[], { headers }: Sent, check: Check): Validity {
  for (const { name, schema } of documented) {
    const values = headers.filter(([other]) => other === name).map(([, value]) => value.trim())
    if (values.length > 1) return UNCERTAIN
    if (values.some((value) => check(schema, value).length > 0)) return because(`the header ${name}`)
  }
  return VALID
}

function ofBody({ requestBody }: Operation, { headers, body }: Sent, check: Check): Validity {
  if (requestBody === undefined) return body === undefined && !headers.some(isOfBody) ? VALID : UNCERTAIN
  if (body === undefined) return because('there is no body')
  const type = headers.find(([name]) => name === 'content-type')?.[1] ?? ''
  const essence = (type.split(';', 1)[0] as string).trim().toLowerCase()
  const schema = requestBody.content[essence]?.schema
  if (schema === undefined) return because(`the media type is ${type}`)
  if (/charset="?(?!utf-?8)/i.test(type)) return because('the charset is not UTF-8')
  if (headers.some(([name]) => name === 'content-encoding')) return because('the body is compressed')
  return /[/+]json$/.test(essence) ? ofJson(body, schema, check) : UNCERTAIN
}

function isOfBody([name]: [string, string]): boolean {
  return name === 'content-type' || name === 'content-encoding'
}

/** A text that is not as it would be written may say what JSON.parse does not tell, such as a name that comes twice. */
function ofJson(body: Buffer, schema: Schema, check: Check): Validity {
  const text = body.toString()
  // RFC 8259 section 8.1 lets a service ignore a byte order mark, and refuse it.
  if (text.startsWith('\ufeff')) return UNCERTAIN
  const value = isUtf8(body) ? parse(text) : undefined
  if (value === undefined) return because('the body is not JSON')
  const [wrong] = check(schema, value)
  if (wrong !== undefined) return because(`the body: ${wrong}`)
  return JSON.stringify(value) === text ? VALID : UNCERTAIN
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
