import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Format } from './arguments.ts'
import { RowCounter } from './rows.ts'

/** What has come of an export, to be compared with what its trailers say. */
export class Receipt {
  readonly #digest = createHash('sha256')
  readonly #counter: RowCounter

  constructor(format: Format) {
    this.#counter = new RowCounter(format)
  }

  get rows(): number {
    return this.#counter.rows
  }

  add(chunk: Buffer): void {
    this.#digest.update(chunk)
    this.#counter.add(chunk)
  }

  /** Why what has come is not the whole file; undefined when it is. To be asked once, at the end. */
  faultOf({ trailers }: IncomingMessage): string | undefined {
    const { 'row-count': rowCount, 'repr-digest': reprDigest = '' } = trailers
    const digest = /(?:^|,) *sha-256=:([^:]*):/.exec(String(reprDigest))?.[1]
    if (rowCount === undefined || digest === undefined) {
      return 'The export has no row count and digest at its end, which a proxy may have taken away'
    }
    if (Number(rowCount) !== this.rows) return `The export has ${this.rows} rows in place of ${rowCount}`
    return digest === this.#digest.digest('base64')
      ? undefined
      : 'The export has another digest than it should'
  }
}
