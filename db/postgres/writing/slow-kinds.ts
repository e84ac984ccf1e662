const SLOW_MS = 20
/** How much the last one counts, less when it took longer: a machine that was busy for a moment makes no kind slow. */
const WEIGHTS = { longer: 0.1, shorter: 0.3 }
const MOST_KINDS = 5000

/** Which statements take long, by what they took lately: others should not have to wait behind them. */
export class SlowKinds {
  readonly #averages = new Map<string, number>()

  isSlow(sql: string): boolean {
    return (this.#averages.get(sql) ?? 0) > SLOW_MS
  }

  note(sql: string, ms: number): void {
    const before = this.#averages.get(sql) ?? 0
    const weight = ms > before ? WEIGHTS.longer : WEIGHTS.shorter
    const average = before * (1 - weight) + ms * weight
    // Most are quick and stay so: of these nothing is kept.
    if (average < 1) this.#averages.delete(sql)
    else if (before > 0 || this.#averages.size < MOST_KINDS) this.#averages.set(sql, average)
  }
}
