/** Requests as data: sent one at a time, or as bytes for wrk. */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request as send } from 'node:http'
import { buffer } from 'node:stream/consumers'

/** Stands in headers and body, at most twice, for a number that no other request has. */
export const UNIQUE = '{unique}'
/** Of ten digits each. */
let lastNumber = 1_000_000_000

export interface Request {
  method: string
  path: string
  headers: Record<string, string>
  body?: string
  /** The status that it must be answered with. */
  status: number
}

/** What came back, its headers as they stand there: name, value, name, value. */
export interface Response {
  status: number
  headers: string[]
  body: string
}

const agent = new Agent({ keepAlive: true })

/** The first of so many numbers that are used nowhere else. */
export function takeNumbers(count: number): number {
  const first = lastNumber + 1
  lastNumber += count
  return first
}

/** Sends one request and waits for all of its answer. */
export async function ask(url: string, { method, path, headers, body = '' }: Request): Promise<Response> {
  const number = String(takeNumbers(1))
  const text = body.replaceAll(UNIQUE, number)
  const filled = Object.entries(headers).map(([name, value]) => [name, value.replaceAll(UNIQUE, number)])
  const length = method === 'GET' ? {} : { 'content-length': Buffer.byteLength(text) }
  const options = { method, agent, headers: { ...Object.fromEntries(filled), ...length } }
  const [answer] = (await once(send(url + path, options).end(text), 'response')) as [IncomingMessage]
  const bytes = await buffer(answer)
  return { status: answer.statusCode ?? 0, headers: answer.rawHeaders, body: bytes.toString() }
}

/** How many of the requests are not answered with the status that they must be. */
export async function countUnexpected(url: string, requests: Request[]): Promise<number> {
  const answers = await Promise.all(requests.map((request) => ask(url, request)))
  return answers.filter(({ status }, index) => status !== requests[index]?.status).length
}

/** All requests as `load.lua` reads them: between two a record separator, and a unit separator where the number goes. */
export function toFile(requests: Request[]): string {
  return requests.map(toText).join('\x1e')
}

function toText({ method, path, headers, body = '' }: Request): string {
  const length = Buffer.byteLength(body.replaceAll(UNIQUE, String(lastNumber)))
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  if (method !== 'GET') fields.push(`content-length: ${length}\r\n`)
  const text = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${fields.join('')}\r\n${body}`
  return text.replaceAll(UNIQUE, '\x1f')
}
