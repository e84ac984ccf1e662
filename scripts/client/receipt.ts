import { createHash } from 'node:crypto'
import type { Format } from './arguments.ts'
import { RowCounter } from './rows.ts'

/** More bytes than the last line has, which tells how many rows and which digest the file before it has. */
const LONGEST_RECEIPT = 256
const LINE_FEED = 0x0a

interface Receipt {
  rows: number
  sha256: string
}

/** An export as it comes, of which the receipt at its end is taken away and compared with the rest. */
export class ReceivedExport {
  readonly #digest = createHash('sha256')
  readonly #counter: RowCounter
  #heldBack: Buffer = Buffer.alloc(0)

  constructor(format: Format) {
    this.#counter = new RowCounter(format)
  }

  get rows(): number {
    return this.#counter.rows
  }

  /** Gives what belongs to the file for certain. */
  add(chunk: Buffer): Buffer {
    const bytes = Buffer.concat([this.#heldBack, chunk])
    const end = Math.max(bytes.length - LONGEST_RECEIPT, 0)
    this.#heldBack = bytes.subarray(end)
    return this.#take(bytes.subarray(0, end))
  }

  /** Gives the rest of the file, and why it is not whole; undefined when it is. To be asked once, at the end. */
  end(): { rest: Buffer; fault: string | undefined } {
    const begin = beginOfLastLine(this.#heldBack)
    const receipt = readReceipt(this.#heldBack.subarray(begin))
    const rest = this.#take(receipt === undefined ? this.#heldBack : this.#heldBack.subarray(0, begin))
    return { rest, fault: this.#faultOf(receipt) }
  }

  #take(bytes: Buffer): Buffer {
    this.#digest.update(bytes)
    this.#counter.add(bytes)
    return bytes
  }

  #faultOf(receipt: Receipt | undefined): string | undefined {
    if (receipt === undefined)
      return 'The export has no receipt at its end: it was cut off, or changed on its way'
    if (receipt.rows !== this.rows) return `The export has ${this.rows} rows in place of ${receipt.rows}`
    if (receipt.sha256 !== this.#digest.digest('hex')) return 'The export has another digest than it should'
    return undefined
  }
}

function beginOfLastLine(bytes: Buffer): number {
  return bytes.subarray(0, -1).lastIndexOf(LINE_FEED) + 1
}

/** The receipt in a line; undefined for another line, or one that does not end. */
function readReceipt(line: Buffer): Receipt | undefined {
  if (line.at(-1) !== LINE_FEED) return undefined
  try {
    const { rows, sha256 } = JSON.parse(line.toString())
    return Number.isInteger(rows) && typeof sha256 === 'string' ? { rows, sha256 } : undefined
  } catch {
    return undefined
  }
}
