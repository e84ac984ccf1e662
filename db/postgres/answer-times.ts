/** When statements were sent on a connection, which answers them one after the other, in their order. */
export class AnswerTimes {
  readonly #sentAt: number[] = []
  #answeredAt = 0

  /** How many statements wait for their answers. */
  get pending(): number {
    return this.#sentAt.length
  }

  /** For so many milliseconds a statement has been left without an answer. */
  get silentMs(): number {
    const [oldest] = this.#sentAt
    return oldest === undefined ? 0 : performance.now() - Math.max(oldest, this.#answeredAt)
  }

  noteSent(): void {
    this.#sentAt.push(performance.now())
  }

  /** Gives how long the server took for it, without what it waited for those before it. */
  noteAnswer(): number {
    const now = performance.now()
    const begun = Math.max(this.#sentAt.shift() ?? now, this.#answeredAt)
    this.#answeredAt = now
    return now - begun
  }
}
