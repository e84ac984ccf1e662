import type { IncomingHttpHeaders } from 'node:http'

/** What ends a command; the message is one sentence that says why and what to do. */
export class Failure extends Error {}

/** A problem document (RFC 9457), as far as it is looked at here. */
export interface Problem {
  code?: string
  detail?: string
  errors?: { line?: number; pointer: string; detail: string }[]
  [member: string]: unknown
}

const REMEDIES: Record<string, string> = {
  BODY_TOO_LARGE:
    'The file is larger than the service takes: split it, or ask the operator for a higher IMPORT_LIMIT.',
  INSUFFICIENT_SCOPE: 'This API key may only read: set LIBRARY_TOKEN to one with the scope "write".',
  INVALID_TOKEN:
    'The token has expired, was revoked or is of another service: set LIBRARY_TOKEN to a new one, best an API key from POST /me/keys.',
  ROLE_REQUIRED: 'Your role may only read: ask an admin to import the file, or to make you an editor.',
  ROUTE_NOT_FOUND:
    'The service does not know this address: it may be of an older version, or --url leads past its root.',
  STORAGE_UNAVAILABLE:
    'The database of the service is locked, full or gone: try again later, or ask the operator to look at the disk.',
  UNSUPPORTED_MEDIA_TYPE: 'The service does not take files of this format: convert the file to the other one.'
}

const TEMPORARY = [429, 503]
const DEFAULT_WAIT_SECONDS = 1

/** An answer that is no success. */
export class Refusal extends Failure {
  readonly problem: Problem
  /** Seconds after which it can be tried again; undefined when that would change nothing. */
  readonly retryAfter: number | undefined

  constructor(url: string, status: number, problem: Problem, headers: IncomingHttpHeaders = {}) {
    super(explain(url, status, problem, headers))
    this.problem = problem
    const wait = Number(headers['retry-after']) || DEFAULT_WAIT_SECONDS
    this.retryAfter = TEMPORARY.includes(status) ? wait : undefined
  }
}

function explain(url: string, status: number, problem: Problem, headers: IncomingHttpHeaders): string {
  const { location } = headers
  const { code, detail, errors = [] } = problem
  const remedy = code === undefined ? undefined : REMEDIES[code]
  if (remedy !== undefined) return remedy
  if (location !== undefined) return `${url} has moved to ${location}: give the new address with --url.`
  if (code === undefined || detail === undefined) return explainProxy(url, status, headers)
  const places = errors.map((error) => `${error.pointer} ${error.detail}.`)
  const page = `${url}/problems/${code.toLowerCase().replaceAll('_', '-')}`
  return printable([detail, ...places, `See ${page} for what to do.`].join(' '))
}

/** By what a proxy calls itself, the setting of its largest body and of how long it waits. */
const PROXIES: [RegExp, size: string, time: string][] = [
  [/nginx|openresty/i, 'client_max_body_size, 1 MiB unless it is set', 'proxy_read_timeout'],
  [/apache/i, 'LimitRequestBody', 'ProxyTimeout'],
  [/caddy/i, 'request_body max_size', 'response_header_timeout'],
  [/cloudflare/i, '100 MB on most plans', '100 seconds on most plans'],
  [/iis|httpapi/i, 'maxAllowedContentLength', 'the time-out of its proxy'],
  [/^/, 'its limit on the size of a request', 'its time-out']
]

/** The sentence about an answer that comes from what stands before the service, as it has not the form of the service's own. */
function explainProxy(url: string, status: number, headers: IncomingHttpHeaders): string {
  const name = [headers.server, headers.via].flat().find(Boolean) ?? ''
  const [, size, time] = PROXIES.find(([known]) => known.test(name)) as (typeof PROXIES)[number]
  const proxy = printable(`What stands before ${url}${name && ` (${name})`} answered ${status}`)
  switch (status) {
    case 401:
    case 407:
      return `${proxy}: it asks for a login of its own, which this command does not have. Give an address in --url that leads past it.`
    case 403:
      return `${proxy}: it does not let this through. Ask its operator, or give an address in --url that leads past it.`
    case 408:
      return `${proxy}: the file came too slowly for it. Split the file, or ask its operator for more time to send it.`
    case 413:
      return `${proxy}: the file is larger than it takes, which is a limit of its own (${size}) and not IMPORT_LIMIT of the service. Split the file, ask its operator to raise that, or give an address in --url that leads past it.`
    case 429:
      return `${proxy}: it takes no more requests for a while. Try again later.`
    case 502:
    case 503:
      return `${proxy}: it does not reach the service. Look whether the service runs, and where the proxy looks for it; then run this again.`
    case 504:
      return `${proxy}: it waited too long for the service (${time}), which may have gone on. Run this again, which imports nothing twice, or ask its operator for more time.`
    default:
      return notALibrary(url, `it answered ${status}`)
  }
}

/** The sentence about an answer that is none of this service. */
export function notALibrary(url: string, reason: string): string {
  return `${url} is not a Library API, or what stands before it does not reach it (${reason}): check the address in --url.`
}

const LOST = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']
const UNTRUSTED = /CERT|SIGNATURE|ERR_TLS/

/** The sentence about a connection that could not be made or broke; `whatThen` ends it for the latter. */
export function explainConnection(url: string, error: unknown, whatThen: string): string {
  const { code = 'no answer', message } = error as NodeJS.ErrnoException
  if (LOST.includes(code)) return `The connection to ${url} broke (${code}): ${whatThen}`
  if (code.startsWith('HPE_')) return notALibrary(url, message)
  if (UNTRUSTED.test(code)) {
    return `The certificate of ${url} is not trusted (${code}): set NODE_EXTRA_CA_CERTS to the file of who issued it.`
  }
  return `Nothing answers at ${url} (${code}): start the service with "npx library start", or give its address with --url.`
}

const FILE_REASONS: Record<string, string> = {
  EACCES: 'this is not permitted; change the permissions or take another file',
  EISDIR: 'it is a folder; name a file',
  ENOENT: 'it or its folder is not there; check the path',
  ENOSPC: 'the disk is full; make room and run this again',
  EPERM: 'this is not permitted; change the permissions or take another file',
  EROFS: 'the disk is read-only; take another folder'
}

/** The failure of reading or writing a file. */
export function fileFailure(action: 'read' | 'written', file: string, error: unknown): Failure {
  const { code = String(error) } = error as NodeJS.ErrnoException
  return new Failure(`${file} cannot be ${action}: ${FILE_REASONS[code] ?? `the system says ${code}`}.`)
}

/** A text from elsewhere without what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '�')
}
