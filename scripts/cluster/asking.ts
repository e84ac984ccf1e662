/** Requests of clients that go on whatever happens, and what each may be answered. */
import { type Answer, type Call, type Client, MERGE_PATCH } from '../crash/requests.ts'

/** A request that got no answer, or one that says that the service or the balancer could not do it: whether it was done is unknown. */
export interface Failure {
  call: Call
  begunAt: number
  /** The status, or the error of the connection. */
  what: string
  /** Whether the service itself said so, and when to try again. */
  isPolite: boolean
}

/** Sends requests and remembers those that failed. */
export class Asker {
  readonly failures: Failure[] = []
  answered = 0
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  /** The answer; none where it is unknown what became of the request. */
  async ask(call: Call): Promise<Answer | undefined> {
    const begunAt = performance.now()
    const failed = (what: string, isPolite: boolean) => {
      this.failures.push({ call, begunAt, what, isPolite })
    }
    try {
      const answer = await this.#send(call)
      const text = await answer.text()
      if (answer.status >= 500) return void failed(`${answer.status} ${text}`, isPolite(answer))
      this.answered += 1
      return { status: answer.status, etag: answer.headers.get('etag'), text }
    } catch (error) {
      const { message, cause } = error as Error
      return void failed(`${message} ${cause ?? ''}`, false)
    }
  }

  #send({ method = 'GET', path, headers, body }: Call): Promise<Response> {
    const type = method === 'PATCH' ? MERGE_PATCH : 'application/json'
    return fetch(this.#client.url + path, {
      method,
      headers: { ...this.#client.headers, ...(body && { 'content-type': type }), ...headers },
      ...(body && { body: JSON.stringify(body) })
    })
  }
}

function isPolite({ status, headers }: Response): boolean {
  const isOurs = headers.get('content-type')?.startsWith('application/problem+json') ?? false
  return status === 503 && isOurs && headers.has('retry-after')
}
