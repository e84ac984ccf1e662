import { Problem, type Refusal } from '../../problems.ts'
import { DatabaseUnavailable, isUnavailable } from '../errors.ts'

/** What became of a call, as plain data for another thread. */
export type Outcome =
  | { output: unknown }
  | { refusal: Refusal }
  | { unavailable: string }
  | { failure: { name: string; message: string; stack: string | undefined } }

export function toFailure(error: unknown): Outcome {
  if (error instanceof Problem) {
    const { code, details, extras } = error
    return { refusal: { code, details, extras } }
  }
  const { name, message, stack } =
    error instanceof Error ? error : new TypeError(`${String(error)} was thrown`)
  return isUnavailable(error) ? { unavailable: message } : { failure: { name, message, stack } }
}

/** The output of a call; throws what made it fail. */
export function outputOf(outcome: Outcome): unknown {
  if ('output' in outcome) return outcome.output
  if ('refusal' in outcome) {
    const { code, details, extras } = outcome.refusal
    throw new Problem(code, details as never, extras)
  }
  if ('unavailable' in outcome) throw new DatabaseUnavailable(outcome.unavailable)
  throw Object.assign(new Error(outcome.failure.message), outcome.failure)
}
