import type { IncomingMessage } from 'node:http'

/** A server-sent event. */
export interface ServerEvent {
  event: string
  data: string
}

/** Whether an answer is made of server-sent events. */
export function hasEvents({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.startsWith('text/event-stream') === true
}

/** The events of an answer as they come. */
export async function* readEvents(response: IncomingMessage): AsyncGenerator<ServerEvent> {
  response.setEncoding('utf8')
  let rest = ''
  for await (const chunk of response) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() as string
    for (const block of blocks) yield toEvent(block)
  }
}

function toEvent(block: string): ServerEvent {
  const valuesOf = (field: string) =>
    block
      .split('\n')
      .filter((line) => line.startsWith(`${field}: `))
      .map((line) => line.slice(field.length + 2))
  return { event: valuesOf('event').join(''), data: valuesOf('data').join('\n') }
}
