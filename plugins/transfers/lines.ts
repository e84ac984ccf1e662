import { isUtf8 } from 'node:buffer'
import { Transform } from 'node:stream'
import { BrokenFile } from './rows.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** Counts the lines of what passes, which CR, LF or both end, so that a place in it can be told by its line, and lets nothing pass but UTF-8. */
export class LineCounter {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  /** Where lines end, from the first that nobody had asked for when the last chunk came. */
  #ends: number[] = []
  /** How many of them were asked for since. */
  #asked = 0
  #passed = 0
  /** The number of the first of them. */
  #line: number
  #isAfterReturn = false

  constructor(firstLine: number) {
    this.#line = firstLine
  }

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
    while (this.#asked < this.#ends.length && (this.#ends[this.#asked] as number) < offset) this.#asked += 1
    return this.#line + this.#asked
  }

  #count(chunk: Buffer): void {
    // Not at each line: all that follow would be moved.
    this.#ends.splice(0, this.#asked)
    this.#line += this.#asked
    this.#asked = 0
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at]
      if (byte === CARRIAGE_RETURN || (byte === LINE_FEED && !this.#isAfterReturn))
        this.#ends.push(this.#passed + at)
      this.#isAfterReturn = byte === CARRIAGE_RETURN
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
  let [number, begin] = [0, 0]
  for (let at = 0; at <= chunk.length; at += 1) {
    if (at < chunk.length && !endsLine(chunk, at)) continue
    if (number > 0 && !isUtf8(chunk.subarray(begin, at))) return number
    begin = at + 1
    number += 1
  }
  return 0
}

/** Of CR and LF the second. */
function endsLine(chunk: Buffer, at: number): boolean {
  return chunk[at] === LINE_FEED || (chunk[at] === CARRIAGE_RETURN && chunk[at + 1] !== LINE_FEED)
}
