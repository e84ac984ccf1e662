import { Agent, request } from 'node:http'
import type { Headers } from '../service-process.ts'

const PAUSE_MS = 20
const PATIENCE_MS = 10_000
const PATCH_TYPE = 'application/merge-patch+json'

interface Wish {
  line: string
  body?: object
  status: number
}

/** A client that reads and writes as a person's program would, one request after the other, and expects each to be answered as it should be. */
export class HonestClient {
  readonly failures: string[] = []
  /** How long each answer took, in ms. */
  readonly times: number[] = []
  readonly #url: string
  readonly #headers: Headers
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #isEnding = false

  constructor(url: string, headers: Headers) {
    this.#url = url
    this.#headers = headers
  }

  /** Asks until `end`. */
  async run(): Promise<void> {
    for (let round = 0; !this.#isEnding; round++) {
      for (const wish of wishesOf(round)) await this.#try(wish)
    }
    this.#agent.destroy()
  }

  end(): void {
    this.#isEnding = true
  }

  async #try({ line, body, status }: Wish): Promise<void> {
    const begun = performance.now()
    try {
      const answered = await this.#ask(line, body)
      if (answered !== status) this.failures.push(`${line}: ${answered} instead of ${status}`)
    } catch (error) {
      this.failures.push(`${line}: ${(error as Error).message}`)
    }
    this.times.push(performance.now() - begun)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }

  /** The status of the answer, once it has come whole. */
  #ask(line: string, body: object | undefined): Promise<number | undefined> {
    const [method, path] = line.split(' ')
    const type = method === 'PATCH' ? { 'content-type': PATCH_TYPE } : {}
    return new Promise((resolve, reject) => {
      const headers = { ...this.#headers, ...type }
      const sent = request(`${this.#url}${path}`, {
        method,
        headers,
        agent: this.#agent,
        timeout: PATIENCE_MS
      })
        .once('response', (answer) => {
          answer
            .resume()
            .once('end', () => resolve(answer.statusCode))
            .once('error', reject)
        })
        .once('timeout', () => sent.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)))
        .once('error', reject)
        .end(body && JSON.stringify(body))
    })
  }
}

function wishesOf(round: number): Wish[] {
  const author = { name: `Honest ${round}`, book: 'A book', country: 'India' }
  return [
    { line: 'POST /authors', body: author, status: 201 },
    { line: `GET /authors/honest-${round}`, status: 200 },
    { line: 'GET /authors?limit=20', status: 200 },
    { line: `PATCH /authors/honest-${round}`, body: { note: 'changed' }, status: 200 },
    { line: `GET /authors?q=honest+${round}&count=true`, status: 200 },
    { line: 'GET /me', status: 200 },
    { line: `GET /authors/honest-${round}/history`, status: 200 },
    { line: 'GET /openapi.json', status: 200 }
  ]
}
