import type { Readable } from 'node:stream'
import type { Format } from './arguments.ts'

/** A row as it stands in its file, without the end of its line. */
export interface RawRow {
  /** Where it begins. */
  line: number
  bytes: Buffer
}

const [LINE_FEED, CARRIAGE_RETURN, QUOTE] = [0x0a, 0x0d, 0x22]
/** Nothing that the service takes is longer: a quote is not closed. */
const LONGEST_ROW = 4_000_000

/** The rows of a file, the header of CSV among them, and lines that are empty; a row that is far too long is the last. */
export async function* readRawRows(source: Readable, format: Format): AsyncGenerator<RawRow> {
  const isCsv = format === 'csv'
  let [line, first] = [1, 1]
  let [isQuoted, isAfterReturn] = [false, false]
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    let begin = 0
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === QUOTE && isCsv) isQuoted = !isQuoted
      const isSecondEnd = byte === LINE_FEED && isAfterReturn
      isAfterReturn = isCsv && byte === CARRIAGE_RETURN
      if (isSecondEnd && !isQuoted) begin = at + 1
      if (isSecondEnd || !(byte === LINE_FEED || isAfterReturn)) continue
      line += 1
      if (isQuoted) continue
      yield { line: first, bytes: Buffer.concat([rest, chunk.subarray(begin, at)]) }
      rest = Buffer.alloc(0)
      begin = at + 1
      first = line
    }
    rest = Buffer.concat([rest, chunk.subarray(begin)])
    if (rest.length > LONGEST_ROW) break
  }
  if (rest.length > 0) yield { line: first, bytes: rest }
}

/** Finds rows by lines that only grow. */
export class RowFinder {
  readonly #rows: AsyncGenerator<RawRow>
  #current: RawRow | undefined
  #next: RawRow | undefined
  #isBegun = false

  constructor(rows: AsyncGenerator<RawRow>) {
    this.#rows = rows
  }

  /** The row that the line is part of. */
  async at(line: number): Promise<RawRow | undefined> {
    if (!this.#isBegun) await this.#advance()
    this.#isBegun = true
    while (this.#next !== undefined && this.#next.line <= line) await this.#advance()
    return this.#current
  }

  async #advance(): Promise<void> {
    this.#current = this.#next
    const { done, value } = await this.#rows.next()
    this.#next = done ? undefined : value
  }
}
