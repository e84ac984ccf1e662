/** Requests as bytes on a bare socket, and the answers as they come. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface Answer {
  status: number
  headers: Map<string, string>
  body: string
}

/** A connection that is gone with the test. */
export async function open(t: Test, url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** The answers that come until the other side ends the connection, or until there are so many. */
export async function answersOf(socket: Socket, count = Number.POSITIVE_INFINITY): Promise<Answer[]> {
  const answers: Answer[] = []
  let chunks: Buffer[] = []
  let missing = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk)
    missing -= chunk.length
    if (missing > 0) continue
    let rest = Buffer.concat(chunks)
    for (let next = parse(rest); 'answer' in next; next = parse(rest)) {
      rest = rest.subarray(next.length)
      answers.push(next.answer)
    }
    chunks = [rest]
    missing = parse(rest).length - rest.length
    if (answers.length >= count) break
  }
  return answers
}

/** What is answered to these bytes on a connection of their own, until it ends. */
export async function ask(t: Test, url: string, bytes: string | Buffer): Promise<Answer[]> {
  const socket = await open(t, url)
  socket.write(bytes)
  return answersOf(socket)
}

/** A request, with what every one needs. */
export function request(line: string, fields: Record<string, string> = {}, body = ''): string {
  const all = {
    host: 'library.example',
    ...(body !== '' && { 'content-length': String(body.length) }),
    ...fields
  }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${line} HTTP/1.1\r\n${head.join('')}\r\n${body}`
}

/** The answer that the bytes begin with, or how long it is at least. */
function parse(bytes: Buffer): { answer: Answer; length: number } | { length: number } {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return { length: bytes.length + 1 }
  const [line = '', ...fields] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = new Map(fields.map((field) => field.toLowerCase().split(/: (.*)/, 2) as [string, string]))
  const length = end + 4 + Number(headers.get('content-length') ?? 0)
  if (bytes.length < length) return { length }
  const body = bytes.toString('utf8', end + 4, length)
  return { answer: { status: Number(line.split(' ')[1]), headers, body }, length }
}
