import { isUtf8 } from 'node:buffer'
import { Transform } from 'node:stream'
import { BrokenFile } from './rows.ts'

const LINE_FEED = 0x0a

/** Counts the lines of what passes, so that a place in it can be told by its line, and lets nothing pass but UTF-8. */
export class LineCounter {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  /** Where the lines end that nobody has asked for yet. */
  #ends: number[] = []
  #passed = 0
  #line = 1

  /** The stream that must be passed through. */
  readonly counting = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      const error = this.#check(chunk, true)
      this.#count(chunk)
      done(error, chunk)
    },
    flush: (done) => done(this.#check(Buffer.alloc(0), false))
  })

  /** The line of a byte; each time of a later one than before. */
  at(offset: number): number {
    let passed = 0
    while (passed < this.#ends.length && (this.#ends[passed] as number) < offset) passed += 1
    this.#ends.splice(0, passed)
    this.#line += passed
    return this.#line
  }

  #count(chunk: Buffer): void {
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) {
      this.#ends.push(this.#passed + at)
    }
    this.#passed += chunk.length
  }

  #check(chunk: Buffer, stream: boolean): Error | null {
    try {
      this.#decoder.decode(chunk, { stream })
      return null
    } catch {
      const line = this.#line + this.#ends.length + brokenLine(chunk)
      return new BrokenFile(line, 'is not UTF-8 from here on: save the file as UTF-8')
    }
  }
}

/** Which line of the chunk is broken: one within it, otherwise the first, which may begin in the middle of a character. */
function brokenLine(chunk: Buffer): number {
  let number = 0
  for (let end = chunk.indexOf(LINE_FEED); end !== -1; ) {
    number += 1
    const next = chunk.indexOf(LINE_FEED, end + 1)
    if (!isUtf8(chunk.subarray(end + 1, next === -1 ? undefined : next))) return number
    end = next
  }
  return 0
}
