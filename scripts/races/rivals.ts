/** Two instances of the service on one database, and requests that reach both at the same time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, ask, type Call, type Client } from '../crash/requests.ts'

/** So much later the second request is sent at most. */
const LONGEST_DELAY_MS = 3

export type Pair<T> = readonly [T, T]

/** What stands between the clients and the instances, to prove that it would be noticed. */
export type Cheat = (calls: Pair<Call>) => Pair<Call>

export class Rivals {
  readonly clients: Pair<Client>
  cheat: Cheat = (calls) => calls

  /** The addresses of the two instances, and the headers of who asks them. */
  constructor(urls: Pair<string>, headers: Client['headers']) {
    this.clients = [
      { url: urls[0], headers },
      { url: urls[1], headers }
    ]
  }

  /** The answer of one of them, to another user if that is who asks. */
  ask(on: 0 | 1, call: Call, headers?: Client['headers']): Promise<Answer> {
    const client = this.clients[on]
    return ask(headers === undefined ? client : { ...client, headers }, call)
  }

  /** The answers of both to their requests, which overlap, and of which either is the first. */
  async race(honest: Pair<Call>): Promise<Pair<Answer>> {
    const calls = this.cheat(honest)
    const first = Math.random() < 0.5 ? 0 : 1
    const begun = this.#begin(calls, first)
    // Every other time both are sent at once.
    if (Math.random() < 0.5) await sleep(Math.random() * LONGEST_DELAY_MS)
    const next = this.#begin(calls, first === 0 ? 1 : 0)
    const [one, other] = await Promise.all([begun, next])
    return first === 0 ? [one, other] : [other, one]
  }

  #begin(calls: Pair<Call>, on: 0 | 1): Promise<Answer> {
    return ask(this.clients[on], calls[on])
  }
}

/** Both statuses, the lower one first. */
export function statusesOf(answers: readonly Answer[]): string {
  return answers
    .map(({ status }) => status)
    .sort()
    .join(' and ')
}
