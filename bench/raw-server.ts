/** The floor under every Node service: a process that reads the request, and answers bytes that it has at hand. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Response } from './requests.ts'

/** Measured: up to some thousand characters a text costs what bytes cost, or less, for it goes out with the headers; then more. */
const LONGEST_TEXT = 4096
/** As the service has it, for it is sent as a header. */
const KEEP_ALIVE_MS = 65_000

/** What is answered to each kind of request. */
export type Answers = Record<string, Response>

/** Requests of one kind have the same answer. */
export function kindOf(method = '', path = ''): string {
  return path.includes('?') ? 'page' : method
}

/** Answers what the parent process last sent; tells it the address, and that new answers are there. */
function serve(): void {
  let answerOf = (_request: IncomingMessage): Sendable => {
    throw new Error('there is nothing to answer yet')
  }
  process.on('message', (answers: Answers) => {
    answerOf = chooser(answers)
    process.send?.('ready')
  })
  process.once('disconnect', () => process.exit())
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    if (request.method === 'GET') send(response, answerOf(request))
    else request.on('end', () => send(response, answerOf(request))).resume()
  })
  server.listen(0, '127.0.0.1', () =>
    process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  )
}

type Sendable = Omit<Response, 'body'> & { body: string | Buffer }

/** Without a look at the request where all have the same answer. */
function chooser(answers: Answers): (request: IncomingMessage) => Sendable {
  const entries = Object.entries(answers).map(([kind, answer]) => [kind, toSendable(answer)] as const)
  const byKind = Object.fromEntries(entries)
  const [[, first]] = entries as [(typeof entries)[0]]
  return entries.length === 1
    ? () => first
    : ({ method, url }: IncomingMessage) => byKind[kindOf(method, url)] as Sendable
}

function toSendable(answer: Response): Sendable {
  return { ...answer, body: answer.body.length <= LONGEST_TEXT ? answer.body : Buffer.from(answer.body) }
}

function send(response: ServerResponse, { status, headers, body }: Sendable): void {
  response.writeHead(status, headers).end(body)
}

if (import.meta.main) serve()
