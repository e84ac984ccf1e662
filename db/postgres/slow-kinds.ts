const SLOW_MS = 10
/** How much the last one counts. */
const WEIGHT = 0.2
const MOST_KINDS = 5000

/** Which statements take long, by what they took lately: others should not have to wait behind them. */
export class SlowKinds {
  readonly #averages = new Map<string, number>()

  isSlow(sql: string): boolean {
    return (this.#averages.get(sql) ?? 0) > SLOW_MS
  }

  note(sql: string, ms: number): void {
    const before = this.#averages.get(sql)
    // Most are quick and stay so: of these nothing is kept.
    if (before === undefined && ms * WEIGHT < SLOW_MS) return
    const average = (before ?? 0) * (1 - WEIGHT) + ms * WEIGHT
    if (average < 1) this.#averages.delete(sql)
    else if (before !== undefined || this.#averages.size < MOST_KINDS) this.#averages.set(sql, average)
  }
}
