/** The writes that share a commit, from the first one's turn until each has been told what became of them. */
export class Batch {
  readonly #mostMembers: number
  readonly #fullAt: number
  readonly #untold: PromiseWithResolvers<void>[] = []
  #members = 0
  #failure: { error: unknown } | undefined

  /** Up to so many members, of which the last begins within so many milliseconds from now. */
  constructor(mostMembers: number, longestMs: number) {
    this.#mostMembers = mostMembers
    this.#fullAt = performance.now() + longestMs
  }

  get members(): number {
    return this.#members
  }

  get isFull(): boolean {
    return this.#members >= this.#mostMembers || performance.now() >= this.#fullAt
  }

  join(): void {
    this.#members += 1
  }

  /** What a member waits for once it has done its work: resolves when all is on the disk, rejects when it is undone. */
  outcome(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error)
    const member = Promise.withResolvers<void>()
    this.#untold.push(member)
    return member.promise
  }

  /** Tells up to so many members that all went well; gives whether there are more. */
  tell(count: number): boolean {
    for (const { resolve } of this.#untold.splice(0, count)) resolve()
    return this.#untold.length > 0
  }

  /** Tells all members, those that ask later too, that nothing of it stays; the first error counts. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    for (const { reject } of this.#untold.splice(0)) reject(this.#failure.error)
  }
}
