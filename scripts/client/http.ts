/** Requests to the service, with node:http, for fetch() reads no answer before all is sent. */
import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { explainConnection, Failure, notALibrary, type Problem, Refusal } from './failures.ts'

/** The service that is spoken to, and until when. */
export interface Service {
  url: string
  signal: AbortSignal
  /** Who asks. */
  headers: { authorization?: string }
}

interface Call {
  method: 'GET' | 'POST'
  path: string
  headers?: OutgoingHttpHeaders
}

const LONGEST_SILENCE_MS = 600_000
const LONGEST_ANSWER = 1_000_000
const MAX_TRIES = 5
const LONGEST_WAIT_SECONDS = 30

/** Begins a request, whose body is up to the caller; `answered` gives the answer as soon as its head is there. */
export function begin(service: Service, { method, path, headers }: Call) {
  const { url, signal } = service
  const { request: start } = url.startsWith('https:') ? https : http
  // Without that field a proxy may send any coding (RFC 9110 section 12.5.3).
  const all = { 'accept-encoding': 'identity', ...service.headers, ...headers }
  const options = { method, signal, agent: false, headers: all }
  const request: ClientRequest = start(url + path, options)
  request.setTimeout(LONGEST_SILENCE_MS, () =>
    request.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' }))
  )
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).on('error', reject)
  })
  return { request, answered }
}

/** What the service answers to a request with no more than a small body. Throws `Failure`, as a `Refusal` where it refuses. */
export async function ask<Answer>(service: Service, call: Call, body?: object): Promise<Answer> {
  const json = body !== undefined && { 'content-type': 'application/json' }
  const { request, answered } = begin(service, { ...call, headers: { ...call.headers, ...json } })
  request.end(body === undefined ? undefined : JSON.stringify(body))
  try {
    return await readAnswer(service.url, await answered)
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(interrupted(service) ?? explainConnection(service.url, error, 'run this again.'))
  }
}

/** The sentence for when somebody pressed Ctrl-C. */
export function interrupted({ signal }: Service, whatThen = 'nothing was done.'): string | undefined {
  return signal.aborted ? `Interrupted: ${whatThen}` : undefined
}

/** The JSON of a good answer. Throws a `Refusal` for another one, and `Failure` when it is not of a Library API. */
export async function readAnswer<Answer>(url: string, response: IncomingMessage): Promise<Answer> {
  const { statusCode = 0, headers } = response
  const isGood = statusCode >= 200 && statusCode < 300
  // Who refuses an upload may close the connection in the middle of saying so, and its status is enough.
  const text = readText(response)
  const answer = parseJson(isGood ? await text : await text.catch(() => ''))
  if (!isGood)
    throw new Refusal(url, statusCode, isProblem(response) ? ((answer ?? {}) as Problem) : {}, headers)
  if (answer === undefined && statusCode !== 204) throw new Failure(notALibrary(url, 'its answer is no JSON'))
  return answer as Answer
}

function isProblem({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('application/problem+json') === true
}

async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response) {
    text += chunk
    if (text.length > LONGEST_ANSWER) return ''
  }
  return text
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Tries again while the service asks for patience, as long as it says, within reason. */
export async function patiently<Answer>(
  signal: AbortSignal,
  attempt: () => Promise<Answer>,
  onWait: (seconds: number) => void = () => {}
): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      const wait = error instanceof Refusal ? error.retryAfter : undefined
      if (wait === undefined || wait > LONGEST_WAIT_SECONDS || tries === MAX_TRIES) throw error
      onWait(wait)
      await sleep(wait * 1000, undefined, { signal })
    }
  }
}
