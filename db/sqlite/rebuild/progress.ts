import type { Migrating } from '../../migration-news.ts'
import type { Step } from '../../rebuild-plan.ts'
import type { Position } from './new-file.ts'

export type { Migrating }

/** With the number of its rows, if it is done in slices. */
export type SizedStep = Step & { rows: number | undefined }

interface Options {
  everyMs: number
  migration: string
  steps: SizedStep[]
}

/** Of all that is done so much are small tables and the checks after the copy. */
const CHECK_SHARE = 0.08

/** Tells how far the copy is, every few seconds. */
export class Progress {
  readonly #tell: (event: Migrating) => void
  readonly #options: Options
  /** What all steps before each cost, and at the end what all cost. */
  readonly #costs: number[] = [0]
  #begunAt = 0
  #begunWith = 0
  #toldAt = 0

  constructor(tell: (event: Migrating) => void, options: Options) {
    this.#tell = tell
    this.#options = options
    const most = Math.max(1, ...options.steps.map(({ rows = 0 }) => rows))
    for (const { weight, rows = most } of options.steps) {
      this.#costs.push((this.#costs.at(-1) as number) + weight * rows)
    }
  }

  begin(position: Position): void {
    this.#begunAt = performance.now()
    this.#begunWith = this.#costOf(position)
    this.#say(position)
  }

  reach(position: Position): void {
    const isDue = performance.now() - this.#toldAt >= this.#options.everyMs
    if (isDue || position.step === this.#options.steps.length) this.#say(position)
  }

  #say(position: Position): void {
    this.#toldAt = performance.now()
    const { migration, steps } = this.#options
    const { name: step, rows } = steps[position.step] ?? { name: 'check', rows: undefined }
    this.#tell({
      event: 'migrating',
      migration,
      step,
      ...(rows !== undefined && { done: position.done, of: rows }),
      percent: Math.floor((100 * this.#costOf(position)) / this.#total),
      ...this.#estimate(position)
    })
  }

  #estimate(position: Position): { secondsLeft?: number } {
    const cost = this.#costOf(position)
    if (cost === this.#begunWith) return {}
    const seconds = (performance.now() - this.#begunAt) / 1000
    return { secondsLeft: Math.ceil((seconds * (this.#total - cost)) / (cost - this.#begunWith)) }
  }

  get #total(): number {
    return Math.max(1, this.#costs.at(-1) as number) / (1 - CHECK_SHARE)
  }

  #costOf({ step, done }: Position): number {
    return (this.#costs[step] as number) + done * (this.#options.steps[step]?.weight ?? 0)
  }
}
