/** With more at a time, as by filters in all combinations, the server would have to keep them all. */
const MOST_PREPARED = 1000

/** A statement that a connection prepares. */
export class Prepared {
  readonly name: string
  isUnderWay = true
  #isThere = false

  constructor(name: string) {
    this.name = name
  }

  get isThere(): boolean {
    return this.#isThere
  }

  noteAnswer(isGood: boolean): void {
    this.isUnderWay = false
    this.#isThere ||= isGood
  }
}

/** The names under which a connection has prepared statements. */
export class StatementNames {
  readonly #all = new Map<string, Prepared>()

  /**
   * None for one too many, and none while the server has not answered the first: in a transaction that has failed meanwhile it prepares nothing,
   * and a statement that relied on the name would look as if another connection were in the place of this one.
   */
  of(sql: string): Prepared | undefined {
    const prepared = this.#all.get(sql)
    if (prepared === undefined) return this.#add(sql)
    if (prepared.isThere) return prepared
    if (prepared.isUnderWay) return undefined
    prepared.isUnderWay = true
    return prepared
  }

  #add(sql: string): Prepared | undefined {
    if (this.#all.size >= MOST_PREPARED) return undefined
    const prepared = new Prepared(`s${this.#all.size + 1}`)
    this.#all.set(sql, prepared)
    return prepared
  }
}
