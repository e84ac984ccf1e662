/** With more at a time, as by filters in all combinations, the server would have to keep them all. */
const MOST_PREPARED = 1000

/** The names under which a connection has prepared statements. */
export class StatementNames {
  readonly #names = new Map<string, string>()

  /** None for one too many. */
  of(sql: string): { name?: string } {
    const known = this.#names.get(sql)
    if (known !== undefined) return { name: known }
    if (this.#names.size >= MOST_PREPARED) return {}
    const name = `s${this.#names.size + 1}`
    this.#names.set(sql, name)
    return { name }
  }
}
