/** Sends requests one after another, and writes down what was answered to each. */
import { setTimeout as sleep } from 'node:timers/promises'
import { codesAt, type Document, findRoute, PROBLEM, type Route, routesOf } from '../fuzz/document.ts'
import { Connection, headerOf, openStream, type RawAnswer, type RawStream } from './connection.ts'
import { Normaliser } from './normaliser.ts'

export interface Sent {
  /** A token, or the whole of an `Authorization`. */
  as?: string
  json?: unknown
  /** A body of another media type. */
  body?: [type: string, content: string | Buffer]
  headers?: Record<string, string>
}

export interface Answer {
  status: number
  etag: string
  location: string
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: read as JSON
  json: any
}

/** What cannot be brought about at will, at the same moment each time. */
const BEYOND_REACH = new Set([
  'IDEMPOTENCY_KEY_IN_USE',
  'INTERNAL_ERROR',
  'OVERLOADED',
  'REQUEST_TIMEOUT',
  'STORAGE_UNAVAILABLE',
  'TOO_BUSY'
])
const BEYOND_REACH_THERE = new Set([
  // It takes as many exports that are not done, so a large catalogue.
  'GET /authors/export: TOO_MANY_STREAMS',
  // It takes no JSON.
  'POST /authors/import: MALFORMED_JSON'
])
const NOTHING: Answer = { status: 0, etag: '', location: '', text: '', json: undefined }

export class Recorder {
  readonly #write: (text: string) => void
  readonly #normaliser = new Normaliser()
  readonly #seen = new Set<string>()
  #connection: Connection
  #url: string
  #routes: Route[] = []
  #step = 0
  #lastEnd = 0

  constructor(url: string, write: (text: string) => void) {
    this.#url = url
    this.#connection = new Connection(url)
    this.#write = write
  }

  get steps(): number {
    return this.#step
  }

  /** Goes on with the service as it was started again. */
  moveTo(url: string): void {
    this.close()
    this.#url = url
    this.#connection = new Connection(url)
  }

  close(): void {
    this.#connection.close()
  }

  /** Sends a request such as `GET /me`; with `exact`, the body of a 200 is written down as it is. */
  async send(line: string, sent: Sent = {}, { exact = false } = {}): Promise<Answer> {
    const [method = '', target = ''] = line.split(' ')
    const answer = await this.#during(() => this.#connection.exchange(toBytes(line, sent), method))
    this.#note(`${line}${aboutOf(sent)}`, answer, { method, exact })
    if (answer === undefined) return NOTHING
    this.#see(method, target, answer)
    return toAnswer(answer)
  }

  /** Sends just these bytes. */
  async sendRaw(bytes: string): Promise<void> {
    const answer = await this.#during(() => this.#connection.exchange(bytes, bytes.split(' ')[0] as string))
    this.#note(JSON.stringify(bytes.length < 300 ? bytes : `${bytes.slice(0, 300)}…`), answer, {})
    this.#connection.close()
  }

  /** Begins an answer without end; it is written down by `noteStream`. */
  openStream(line: string, sent: Sent): Promise<RawStream> {
    return openStream(this.#url, toBytes(line, sent).toString())
  }

  /** Waits for a text in a stream and writes down all that came until then. */
  async noteStream(line: string, stream: RawStream, text: string): Promise<void> {
    const answer = await this.#during(() => stream.until(text))
    this.#note(`${line}, until ${JSON.stringify(text)}`, answer, { method: 'GET' })
    this.#see('GET', line.split(' ')[1] as string, answer)
  }

  /** Does something else, and writes down what it gives. */
  async note(title: string, work: () => Promise<string>): Promise<string> {
    const text = await this.#during(work)
    this.#begin(title)
    this.#write(`${this.#normaliser.normalise(text)}\n`)
    return text
  }

  /** What the document promises and was never answered. */
  missing(document: Document): string[] {
    return routesOf(document).flatMap(({ title, operation }) =>
      Object.entries(operation.responses).flatMap(([status, response]) => {
        const codes = codesAt(response).filter((code) => !BEYOND_REACH.has(code))
        const all = response.content?.[PROBLEM] === undefined ? [status] : codes
        return all
          .map((what) => `${title}: ${what}`)
          .filter((promise) => !this.#seen.has(promise) && !BEYOND_REACH_THERE.has(promise))
      })
    )
  }

  /** Learns which operations there are. */
  expect(document: Document): void {
    this.#routes = routesOf(document)
  }

  #see(method: string, target: string, answer: RawAnswer): void {
    const route = findRoute(this.#routes, method, target.split('?')[0] as string)?.route
    if (route === undefined) return
    this.#seen.add(`${route.title}: ${answer.status}`)
    const isProblem = headerOf(answer, 'content-type')?.startsWith(PROBLEM) && answer.body !== ''
    if (isProblem) this.#seen.add(`${route.title}: ${JSON.parse(answer.body).code}`)
  }

  /** No two steps share a millisecond, so that a time tells its step. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    while (Date.now() <= this.#lastEnd) await sleep(1)
    this.#step += 1
    const from = Date.now()
    const result = await work()
    this.#lastEnd = Date.now()
    this.#normaliser.learn({ step: this.#step, from, to: this.#lastEnd })
    return result
  }

  #begin(title: string): void {
    this.#write(`\n=== ${this.#step} ${this.#normaliser.normaliseTitle(title)}\n`)
  }

  #note(title: string, answer: RawAnswer | undefined, how: { method?: string; exact?: boolean }): void {
    this.#begin(title)
    if (answer === undefined) this.#write('the connection is closed without an answer\n')
    else this.#write(this.#textOf(answer, how))
  }

  #textOf(answer: RawAnswer, { method, exact = false }: { method?: string; exact?: boolean }): string {
    const { statusLine, headers, body, trailers } = answer
    const requestId = headerOf(answer, 'x-request-id')
    const tell = (text: string) => this.#normaliser.normalise(text, requestId)
    const isAsLong = Number(headerOf(answer, 'content-length')) === Buffer.byteLength(body)
    const hasCursor = `${body} ${headerOf(answer, 'link')}`.includes('cursor=')
    const fields = headers.map(([name, value]) => {
      const isLength = name.toLowerCase() === 'content-length'
      // A cursor may be longer in another version.
      if (isLength && hasCursor && (isAsLong || method === 'HEAD')) return `${name}: <as it is>`
      if (name.toLowerCase() === 'retry-after') return `${name}: <seconds>`
      return `${name}: ${tell(value)}`
    })
    const ends = trailers.map(([name, value]) => `trailer ${name}: ${value}\n`).join('')
    return `${[statusLine, ...fields, '', exact && answer.status === 200 ? body : tell(body)].join('\n')}\n${ends}`
  }
}

function toAnswer(answer: RawAnswer): Answer {
  const { status, body: text } = answer
  const isJson = /^application\/(problem\+)?json/.test(headerOf(answer, 'content-type') ?? '')
  const [etag = '', location = ''] = [headerOf(answer, 'etag'), headerOf(answer, 'location')]
  return { status, etag, location, text, json: isJson && text !== '' ? JSON.parse(text) : undefined }
}

function toBytes(line: string, { as, json, body, headers = {} }: Sent): Buffer {
  const [type, content] = body ?? (json === undefined ? [] : ['application/json', JSON.stringify(json)])
  const bytes = content === undefined ? undefined : Buffer.from(content as string)
  const authorization = as === undefined || / /.test(as) ? as : `Bearer ${as}`
  const fields = {
    host: 'wire',
    ...(authorization !== undefined && { authorization }),
    ...(type !== undefined && type !== '' && { 'content-type': type }),
    ...(bytes !== undefined && { 'content-length': String(bytes.length) }),
    ...headers
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${line} HTTP/1.1\r\n${lines.join('')}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes ?? Buffer.alloc(0)])
}

/** What a reader of the recording needs to know of a request. */
function aboutOf({ as, json, body, headers }: Sent): string {
  const content = body?.[1] ?? (json === undefined ? '' : JSON.stringify(json))
  const shown = content.length < 500 ? String(content) : `${String(content).slice(0, 500)}…`
  const parts = [
    as === undefined ? '' : ` as ${as.startsWith('Basic') ? 'Basic …' : as}`,
    headers === undefined ? '' : ` ${JSON.stringify(headers)}`,
    shown === '' ? '' : ` ${body?.[0] ?? ''} ${shown}`
  ]
  return parts.join('').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}
