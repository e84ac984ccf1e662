import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expose } from './exposition.ts'
import type { Family } from './instruments.ts'

/** More than all that scrape a service at once, and few enough to do no harm. */
const MOST_CONNECTIONS = 32
/** So long nothing may come or go on a connection. */
const PATIENCE_MS = 10_000

/** The metrics of each process of the service. */
export type Scrape = () => Promise<Family[][]>

/**
 * Serves `GET /metrics` and nothing else on an address of its own: it asks nobody who they are, so that it must be where only those come
 * who may see it. Ends with the process. Gives the address. Throws what Node does when it cannot listen, with the names of the settings.
 */
export async function serveMetrics(
  host: string,
  port: number,
  scrape: Scrape,
  patienceMs = PATIENCE_MS
): Promise<string> {
  const server = createServer({ requestTimeout: PATIENCE_MS }, (request, response) =>
    answer(request, response, scrape)
  )
  server.maxConnections = MOST_CONNECTIONS
  // Those who read nothing, too.
  server.setTimeout(patienceMs)
  await listen(server, host, port)
  // The service decides how long the process lives.
  server.unref()
  return `${urlOf(server.address() as AddressInfo)}/metrics`
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await once(server.listen({ host, port }), 'listening')
  } catch (error) {
    throw Object.assign(error as Error, { settings: { host: 'METRICS_HOST', port: 'METRICS_PORT' } })
  }
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

async function answer(request: IncomingMessage, response: ServerResponse, scrape: Scrape): Promise<void> {
  const [path] = (request.url ?? '').split('?', 1)
  const { method = '', headers } = request
  if (path !== '/metrics') return send(response, 404, 'Here is only /metrics.\n')
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return send(response, 405, 'Only GET and HEAD are taken.\n')
  }
  try {
    const { contentType, text } = await expose(await scrape(), headers.accept)
    send(response, 200, text, contentType)
  } catch (error) {
    send(response, 500, `The metrics could not be collected: ${(error as Error).message}\n`)
  }
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8'
): void {
  const body = Buffer.from(text)
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff'
  })
  response.end(body)
}
