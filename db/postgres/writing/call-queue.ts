import type { Call } from '../../command.ts'
import { DatabaseUnavailable } from '../../refusals.ts'
import type { Outcome } from './batch.ts'

const MOST_PENDING = 10_000

interface Pending extends PromiseWithResolvers<unknown> {
  call: Call
}

/** Calls that wait or are run, in their order. */
export class CallQueue {
  readonly #pending: Pending[] = []

  get length(): number {
    return this.#pending.length
  }

  get calls(): Call[] {
    return this.#pending.map(({ call }) => call)
  }

  /** What becomes of the call. Throws `DatabaseUnavailable` when too many wait. */
  add(call: Call): Promise<unknown> {
    if (this.length >= MOST_PENDING) throw new DatabaseUnavailable('too many writes wait')
    const pending = { ...Promise.withResolvers<unknown>(), call }
    this.#pending.push(pending)
    return pending.promise
  }

  /** Answers the first ones. */
  settle(outcomes: readonly Outcome[]): void {
    for (const [index, { resolve, reject }] of this.#pending.splice(0, outcomes.length).entries()) {
      const outcome = outcomes[index] as Outcome
      if ('error' in outcome) reject(outcome.error)
      else resolve(outcome.output)
    }
  }

  /** Rejects the first ones, so many of them. */
  reject(count: number, error: unknown): void {
    for (const { reject } of this.#pending.splice(0, count)) reject(error)
  }

  rejectOne(call: Call, error: unknown): void {
    const index = this.#pending.findIndex((pending) => pending.call === call)
    for (const { reject } of this.#pending.splice(index, 1)) reject(error)
  }
}
