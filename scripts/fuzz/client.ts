/** Requests of any form over a real socket, and what is answered to them. */

import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'

export interface Sent {
  method: string
  /** The path and the query as they stand in the request line. */
  target: string
  headers: [name: string, value: string][]
  body?: Buffer
  isChunked: boolean
}

export interface Answer {
  status: number
  /** By lower-case names; what came twice is joined. */
  headers: Record<string, string>
  mediaType: string | undefined
  text: string
}

export interface Client {
  url: string
  send(sent: Sent): Promise<Answer>
  close(): void
}

const TRIES = 3
/** Of these Node sends no empty chunk by itself. */
const READS = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE'])

/** A client that keeps one connection. A request that is not answered is sent again twice, for a connection may end at any time. */
export function clientOf(url: string): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const { hostname, port, host } = new URL(url)

  async function sendOnce({ method, target, headers, body, isChunked }: Sent): Promise<Answer> {
    const framing = isChunked
      ? ['transfer-encoding', 'chunked']
      : ['content-length', String(body?.length ?? 0)]
    const fields = [
      'host',
      host,
      ...headers.flat(),
      ...(body === undefined && READS.has(method) ? [] : framing)
    ]
    const outgoing = request({ hostname, port, agent, method, path: target, headers: fields })
    outgoing.end(body)
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    // What is left of the request may meet a closed connection.
    outgoing.on('error', () => {})
    return read(response, method)
  }

  return {
    url,
    async send(sent) {
      for (let tries = 1; ; tries++) {
        try {
          return await sendOnce(sent)
        } catch (error) {
          if (tries === TRIES) throw error
        }
      }
    },
    close: () => agent.destroy()
  }
}

async function read(response: IncomingMessage, method: string): Promise<Answer> {
  const headers: Record<string, string> = {}
  for (let i = 0; i < response.rawHeaders.length; i += 2) {
    const name = (response.rawHeaders[i] as string).toLowerCase()
    const value = response.rawHeaders[i + 1] as string
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  const mediaType = headers['content-type']?.split(';', 1)[0]
  const isEndless = method === 'GET' && mediaType === 'text/event-stream'
  const chunks: Buffer[] = []
  for await (const chunk of response) {
    chunks.push(chunk)
    if (isEndless) break
  }
  return { status: response.statusCode as number, headers, mediaType, text: Buffer.concat(chunks).toString() }
}

/** The request as a line for a shell. */
export function toCurl(url: string, { method, target, headers, body, isChunked }: Sent): string {
  const fields = headers.map(([name, value]) => (value === '' ? `${name};` : `${name}: ${value}`))
  if (isChunked) fields.push('transfer-encoding: chunked')
  if (body !== undefined && !headers.some(([name]) => name === 'content-type')) fields.push('content-type:')
  const named = fields.map((field) => ` -H ${quote(field)}`).join('')
  const how = method === 'HEAD' ? '--head' : `-X ${method}`
  const data = body === undefined ? '' : ' --data-binary @-'
  const input = body === undefined ? '' : `base64 -d <<< ${body.toString('base64')} | `
  const isPlain = body !== undefined && /^[ -&(-~]*$/.test(body.toString('latin1'))
  const line = `curl -i --path-as-is ${how} ${quote(url + target)}${named}`
  return isPlain ? `${line} --data-binary ${quote(body.toString())}` : `${input}${line}${data}`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
