/** Whether an answer is what the document says, and whether the request deserved it. */
import { STATUS_CODES } from 'node:http'
import type { Answer, Sent } from './client.ts'
import {
  codesAt,
  type Document,
  findRoute,
  type Operation,
  PROBLEM,
  type Response,
  type Route,
  routesOf
} from './document.ts'
import { answerCheck, type Check, requestCheck } from './schemas.ts'
import { type Validity, validityOf } from './validity.ts'

/** Something that is not as it is documented; `kind` says what, without the values of the occasion. */
interface Fault {
  kind: string
  detail: string
}

/** Headers that every answer may have: those of @fastify/helmet, and those of HTTP itself. */
export const COMMON_HEADERS = new Set([
  ...['content-security-policy', 'cross-origin-opener-policy', 'cross-origin-resource-policy'],
  ...['origin-agent-cluster', 'referrer-policy', 'strict-transport-security', 'x-content-type-options'],
  ...['x-dns-prefetch-control', 'x-download-options', 'x-frame-options'],
  ...['x-permitted-cross-domain-policies', 'x-xss-protection'],
  ...['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'transfer-encoding']
])

/** What a request may be refused for though it fits the schema, by the pointer. */
const BEYOND_SCHEMA =
  /^\/(q|death_year|expires_at|if-match|username|identifier\.(viaf|isni|wikidata|openlibrary))$/

/** Where no operation is documented. */
const UNROUTED: Record<string, string[]> = {
  400: ['MALFORMED_REQUEST'],
  404: ['ROUTE_NOT_FOUND'],
  405: ['METHOD_NOT_ALLOWED'],
  414: ['URI_TOO_LONG']
}

/** The operation, or where none is the method, and what is wrong with the answer. */
export interface Judgement {
  title: string
  faults: Fault[]
}

export type Judge = (sent: Sent, answer: Answer, isCredentialKnown: boolean) => Judgement

export function judgeBy(document: Document): Judge {
  const routes = routesOf(document)
  const checkRequest = requestCheck(document)
  const checkAnswer = answerCheck(document)
  return (sent, answer, isCredentialKnown) => {
    const broken = answer.status >= 500 ? [fault(`answered ${answer.status}`, answer.text)] : []
    const found = findRoute(routes, sent.method, pathOf(sent))
    if (found === undefined) {
      const faults = judgeUnrouted(sent, answer, document, checkAnswer)
      return { title: `${sent.method} elsewhere`, faults: [...broken, ...faults] }
    }
    const { route, parameters } = found
    const faults = judgeRouted(route, parameters, sent, answer, isCredentialKnown)
    return { title: route.title, faults: [...broken, ...faults] }
  }

  function judgeRouted(
    { operation }: Route,
    parameters: Record<string, string>,
    sent: Sent,
    answer: Answer,
    isCredentialKnown: boolean
  ): Fault[] {
    const response = operation.responses[answer.status]
    if (response === undefined) return [fault(`${nameOf(answer)} is not documented`, answer.text)]
    return [
      ...judgeHeaders(response, answer, checkAnswer),
      ...judgeBody(response, sent, answer, checkAnswer),
      ...judgeCredential(operation, answer, isCredentialKnown),
      ...judgeAcceptance(answer, validityOf(operation, sent, parameters, checkRequest))
    ]
  }
}

/** The path with its segments decoded, as the router sees it; what cannot be decoded is of no route. */
function pathOf({ target }: Sent): string {
  const path = target.split('?', 1)[0] as string
  try {
    return decodeURI(path)
  } catch {
    return '%'
  }
}

function fault(kind: string, detail: string): Fault {
  return { kind, detail: detail.slice(0, 500) }
}

function nameOf({ status, text }: Answer): string {
  return `${status} ${codeOf(text) ?? STATUS_CODES[status]}`
}

function codeOf(text: string): string | undefined {
  return /"code":"([A-Z_]+)"/.exec(text)?.[1]
}

function judgeUnrouted({ method }: Sent, answer: Answer, document: Document, check: Check): Fault[] {
  const { status, headers, mediaType, text } = answer
  if (status < 400)
    return method === 'OPTIONS' && status === 204 ? [] : [fault(`${status} of no operation`, text)]
  const codes = UNROUTED[status]
  if (codes === undefined) return [fault(`${nameOf(answer)} of no operation`, text)]
  if (status === 405 && headers.allow === undefined) return [fault('405 without Allow', text)]
  if (method === 'HEAD') return []
  const problem = document.components.schemas.Problem as object
  return mediaType === PROBLEM && codes.includes(codeOf(text) ?? '')
    ? check(problem, JSON.parse(text)).map((detail) => fault('no problem document', detail))
    : [fault(`${nameOf(answer)} of no operation`, text)]
}

function judgeHeaders({ headers = {} }: Response, answer: Answer, check: Check): Fault[] {
  const documented = new Map(Object.entries(headers).map(([name, header]) => [name.toLowerCase(), header]))
  const faults: Fault[] = []
  for (const [name, { required, schema }] of documented) {
    const value = answer.headers[name]
    if (value === undefined && required) faults.push(fault(`${answer.status} without ${name}`, answer.text))
    if (value === undefined) continue
    for (const detail of check(schema, value))
      faults.push(fault(`${name} is not as documented`, `${value}: ${detail}`))
  }
  for (const [name, value] of Object.entries(answer.headers)) {
    if (documented.has(name) || COMMON_HEADERS.has(name)) continue
    faults.push(fault(`${answer.status} with the undocumented header ${name}`, value))
  }
  return faults
}

function judgeBody(response: Response, { method }: Sent, answer: Answer, check: Check): Fault[] {
  const { status, headers, mediaType, text } = answer
  const isMinimal = headers['preference-applied'] === 'return=minimal'
  const isEmpty = method === 'HEAD' || isMinimal || response.content === undefined
  if (isEmpty) return text === '' ? [] : [fault(`${status} with a body`, text)]
  const schema = response.content?.[mediaType ?? '']?.schema
  if (schema === undefined) return [fault(`${status} as ${mediaType}`, text)]
  if (!/[/+]json$/.test(mediaType ?? '')) return []
  const json = parse(text)
  const wrong = check(schema, json).map((detail) =>
    fault(`${status} with a body that does not fit`, `${detail}: ${text}`)
  )
  if (status < 400) return wrong
  const { code = '', status: told } = (json ?? {}) as { code?: string; status?: number }
  if (!codesAt(response).includes(code)) wrong.push(fault(`${status} ${code} is not documented`, text))
  if (told !== status) wrong.push(fault(`${status} says that it is ${told}`, text))
  return wrong
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Without what the service gave, or took, nothing is answered but a refusal. */
function judgeCredential({ security }: Operation, { status, text }: Answer, isKnown: boolean): Fault[] {
  const isNeeded = security === undefined || security.length > 0
  return isNeeded && !isKnown && status < 400 ? [fault(`${status} without a good credential`, text)] : []
}

/** What does not fit the document is refused, and what fits is not, unless for what no schema can say. */
function judgeAcceptance({ status, text }: Answer, { invalid, isCertain }: Validity): Fault[] {
  if (status < 400) return invalid === undefined ? [] : [fault(`${status} though invalid`, invalid)]
  if (!isCertain || codeOf(text) !== 'VALIDATION_FAILED') return []
  const { errors = [] } = (parse(text) ?? {}) as { errors?: { pointer: string }[] }
  const isExplained = errors.length > 0 && errors.every(({ pointer }) => BEYOND_SCHEMA.test(pointer))
  return isExplained ? [] : [fault(`${status} though valid`, text)]
}
