import type { Format } from './arguments.ts'

const LINE_FEED = 0x0a
const QUOTE = 0x22

/** Counts the bytes and the rows of a file that passes piece by piece. */
export class RowCounter {
  readonly #isCsv: boolean
  #bytes = 0
  #lineEnds = 0
  #isInQuotes = false
  #last = LINE_FEED

  constructor(format: Format) {
    this.#isCsv = format === 'csv'
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Without the header of a CSV file. */
  get rows(): number {
    const lines = this.#lineEnds + (this.#last === LINE_FEED ? 0 : 1)
    return Math.max(this.#isCsv ? lines - 1 : lines, 0)
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length
    this.#last = chunk.at(-1) ?? this.#last
    for (const byte of chunk) {
      if (byte === LINE_FEED && !this.#isInQuotes) this.#lineEnds += 1
      else if (byte === QUOTE && this.#isCsv) this.#isInQuotes = !this.#isInQuotes
    }
  }
}
