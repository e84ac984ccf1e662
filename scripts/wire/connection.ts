/** Bytes over a socket, because a client of HTTP would tidy up what it sends and what it is answered. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** An answer as it came; the body without the lengths of its chunks. */
export interface RawAnswer {
  /** Such as `HTTP/1.1 200 OK`; what came before it (1xx) is left out. */
  statusLine: string
  status: number
  headers: [name: string, value: string][]
  body: string
  trailers: [name: string, value: string][]
}

const WAIT_MS = 60_000

/** A connection that is kept, and made again when the service has closed it. */
export class Connection {
  readonly #url: URL
  #socket: Socket | undefined

  constructor(url: string) {
    this.#url = new URL(url)
  }

  /** Sends a whole request and waits for the whole answer; none when the service just closes the connection. */
  async exchange(bytes: Buffer | string, method: string): Promise<RawAnswer | undefined> {
    const socket = await this.#open()
    const received = new Received(socket, (data, isEnd) => parseAnswer(data, method, isEnd))
    socket.write(bytes)
    const answer = await received.result
    if (answer === undefined || headerOf(answer, 'connection') === 'close') this.close()
    return answer
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  async #open(): Promise<Socket> {
    if (this.#socket?.writable && this.#socket.readable) return this.#socket
    this.#socket = await open(this.#url)
    return this.#socket
  }
}

/** An answer that goes on. */
export interface RawStream {
  /** All that has come, once it has this text and is whole up to the end of a line. */
  until(text: string): Promise<RawAnswer>
  close(): void
}

/** Begins an answer that has no end, on a connection of its own. */
export async function openStream(url: string, bytes: string): Promise<RawStream> {
  const socket = await open(new URL(url))
  const chunks: Buffer[] = []
  socket.on('data', (data) => chunks.push(data))
  socket.write(bytes)
  return {
    async until(text) {
      const deadline = AbortSignal.timeout(WAIT_MS)
      for (;;) {
        const answer = parseAnswer(Buffer.concat(chunks), 'GET', true)
        if (answer?.body.includes(text) && answer.body.endsWith('\n')) return answer
        await once(socket, 'data', { signal: deadline })
      }
    },
    close: () => socket.destroy()
  }
}

async function open({ hostname, port }: URL): Promise<Socket> {
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // Whoever waits for an answer learns that there is none from the end.
  socket.on('error', () => {})
  return socket
}

class Received {
  readonly result: Promise<RawAnswer | undefined>

  constructor(socket: Socket, parse: (data: Buffer, isEnd: boolean) => RawAnswer | undefined) {
    const { promise, resolve, reject } = Promise.withResolvers<RawAnswer | undefined>()
    this.result = promise
    let data = Buffer.alloc(0)
    const timer = setTimeout(() => reject(new Error(`no whole answer: ${data}`)), WAIT_MS)
    const settle = (isEnd: boolean) => {
      const answer = parse(data, isEnd)
      if (answer === undefined && !isEnd) return
      clearTimeout(timer)
      socket.off('data', onData).off('close', onClose)
      resolve(answer)
    }
    const onData = (chunk: Buffer) => {
      data = Buffer.concat([data, chunk])
      settle(false)
    }
    const onClose = () => settle(true)
    socket.on('data', onData).on('close', onClose)
  }
}

/** The first header of this name, in lower case. */
export function headerOf({ headers }: RawAnswer, name: string): string | undefined {
  return headers.find(([known]) => known.toLowerCase() === name)?.[1]
}

/** The answer, if it is whole, or if there is no more to come. */
function parseAnswer(data: Buffer, method: string, isEnd: boolean): RawAnswer | undefined {
  const headEnd = data.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const [statusLine = '', ...lines] = data.subarray(0, headEnd).toString('latin1').split('\r\n')
  const status = Number(statusLine.split(' ')[1])
  const rest = data.subarray(headEnd + 4)
  if (status < 200) return parseAnswer(rest, method, isEnd)
  const headers = lines.map(toField)
  const content = contentOf(rest, { statusLine, status, headers, body: '', trailers: [] }, method, isEnd)
  return content && { statusLine, status, headers, ...content }
}

type Content = Pick<RawAnswer, 'body' | 'trailers'>

function contentOf(rest: Buffer, answer: RawAnswer, method: string, isEnd: boolean): Content | undefined {
  const isEmpty = method === 'HEAD' || answer.status === 204 || answer.status === 304
  if (isEmpty) return { body: '', trailers: [] }
  if (headerOf(answer, 'transfer-encoding') === 'chunked') return fromChunks(rest, isEnd)
  const length = Number(headerOf(answer, 'content-length') ?? Number.POSITIVE_INFINITY)
  if (rest.length < length && !isEnd) return undefined
  return { body: rest.subarray(0, length).toString(), trailers: [] }
}

function fromChunks(rest: Buffer, isEnd: boolean): Content | undefined {
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at)
    const length = lineEnd === -1 ? Number.NaN : Number.parseInt(rest.toString('latin1', at, lineEnd), 16)
    const start = lineEnd + 2
    if (length === 0) {
      const end = rest.indexOf('\r\n\r\n', lineEnd)
      const lines = rest.toString('latin1', start, end).split('\r\n')
      if (end !== -1) return { body: textOf(chunks), trailers: end < start ? [] : lines.map(toField) }
    }
    if (!(length > 0) || rest.length < start + length + 2)
      return isEnd ? { body: textOf(chunks), trailers: [] } : undefined
    chunks.push(rest.subarray(start, start + length))
    at = start + length + 2
  }
}

function textOf(chunks: Buffer[]): string {
  return Buffer.concat(chunks).toString()
}

function toField(line: string): [string, string] {
  const at = line.indexOf(':')
  return [line.slice(0, at), line.slice(at + 1).trim()]
}
