/** What makes a request no HTTP of ours, though Node's parser takes it (RFC 9112). */
import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import {
  CodingNotImplemented,
  ExpectationFailed,
  MalformedRequest,
  withExtras
} from '../../schemas/errors.ts'

/** The error to answer; undefined where nothing is wrong. */
export function faultOf(request: IncomingMessage): Error | undefined {
  const { 'transfer-encoding': coding, expect } = request.headers
  const reason = malformation(request)
  if (reason !== undefined) return new MalformedRequest(reason)
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    // Nobody knows where such a body ends.
    return withExtras(new CodingNotImplemented(), { headers: { connection: 'close' } })
  }
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') return new ExpectationFailed()
  return undefined
}

function malformation(request: IncomingMessage): string | undefined {
  const { url = '', method, headers, httpVersionMajor, httpVersion } = request
  if (httpVersionMajor !== 1) return `its version of HTTP is ${httpVersion}, and 1.1 is spoken here`
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined)
    return 'HTTP/1.0 has no Transfer-Encoding'
  return (
    faultOfTarget(url, method) ??
    faultOfHost(headers.host, httpVersion) ??
    (isRepeated(request, 'authorization') ? 'it has several Authorization fields' : undefined)
  )
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)/i

/** In origin form, absolute form, or the asterisk of OPTIONS (section 3.2); CONNECT never comes so far. */
function faultOfTarget(url: string, method: string | undefined): string | undefined {
  if (url === '*' && method === 'OPTIONS') return undefined
  if (!url.startsWith('/')) {
    const [, authority] = ABSOLUTE.exec(url) ?? []
    if (authority === undefined) return 'its target begins with neither "/" nor "http://"'
    if (!isHost(authority)) return 'its target names no valid host'
  }
  if (url.includes('#')) return 'its target has a "#", which must be encoded as %23'
  return url.includes('%') && !isEncodedText(url)
    ? 'the percent-encoding of its target is broken or is not UTF-8'
    : undefined
}

function isEncodedText(url: string): boolean {
  try {
    decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}

function faultOfHost(host: string | undefined, httpVersion: string): string | undefined {
  if (host === undefined) return httpVersion === '1.0' ? undefined : 'it has no Host'
  // Node joins several fields by commas, and a comma is none of a host.
  return isHost(host) ? undefined : 'it has several Host fields, or one that is no host'
}

let lastHost = ''

/** Nearly all requests name the same one. */
function isHost(text: string): boolean {
  if (text === lastHost) return text !== ''
  const isValid = isHostAndPort(text)
  if (isValid) lastHost = text
  return isValid
}

const HOST_AND_PORT = /^(?:\[([0-9a-f:.]+)\]|(?:[\w.~!$&'()*+;=-]|%[0-9a-f]{2})+)(?::\d{0,5})?$/i

/** `uri-host [ ":" port ]` (RFC 9110 section 7.2). */
function isHostAndPort(text: string): boolean {
  const match = HOST_AND_PORT.exec(text)
  return match !== null && (match[1] === undefined || isIPv6(match[1]))
}

function isRepeated({ headers, rawHeaders }: IncomingMessage, name: 'authorization'): boolean {
  // Node joins several by commas, which is rare enough in one.
  if (!headers[name]?.includes(',')) return false
  return rawHeaders.filter((field, index) => index % 2 === 0 && field.toLowerCase() === name).length > 1
}
