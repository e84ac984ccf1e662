const PIECE_LENGTH = 64 * 1024
const MOST_ROWS = 250

/** How many rows to read at once, so that their texts make a piece of some 64 KiB, and never a much longer one. */
export class BatchSize {
  /** The first rows may be as long as rows can be. */
  rows = 4

  /** The first of the texts that fit in one piece, at least one; the others are to be read again. */
  fitting(texts: string[]): string[] {
    let length = 0
    const tooMuch = texts.findIndex((text) => {
      length += text.length
      return length > PIECE_LENGTH
    })
    const fitting = tooMuch === -1 ? texts : texts.slice(0, Math.max(1, tooMuch))
    this.rows = tooMuch === -1 ? Math.min(2 * this.rows, MOST_ROWS) : fitting.length
    return fitting
  }
}
