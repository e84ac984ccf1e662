/** How a CSV file is written: by which character its cells are divided, as its first line tells. */
import type { Readable } from 'node:stream'
import { COLUMNS } from '../../schemas/transfers.ts'
import { BrokenFile, refuseOtherFormats } from './rows.ts'

export interface Dialect {
  divider: string
  /** CR alone is one only where some are seen: each of them is looked for at every character. */
  recordEnds: string[]
  /** The bytes of the line `sep=` that some programs begin with, and of what stands before it. */
  prelude: number
}

const DIVIDERS = [',', ';', '\t', '|']
const BYTE_ORDER_MARK = '\ufeff'
/** Excel's own way to name the divider; what comes after it are empty cells of a program that did not know it. */
const PRELUDE = /^"?sep=(?:(\\t|[^"\r\n])"?[,;\t| ]*)?(\r\n|\r|\n|$)/iu
const LONGEST_HEADER = 1_000_000
/** Of a column, with quotes and blanks; what is longer is not looked at. */
const LONGEST_NAME = 1000
const QUOTE = 0x22
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** The file from its beginning, of which so much has been read as tells its dialect. Throws `BrokenFile`. */
export async function readDialect(
  source: Readable
): Promise<{ dialect: Dialect; bytes: AsyncGenerator<Buffer> }> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let head: Buffer = Buffer.alloc(0)
  let dialect: Dialect | undefined
  let [isWhole, enough] = [false, 0]
  while (dialect === undefined) {
    const { done = false, value } = await chunks.next()
    isWhole = done
    if (value !== undefined) head = head.length === 0 ? value : Buffer.concat([head, value])
    if (head.length < enough && !isWhole) continue
    dialect = dialectOf(head, isWhole || head.length > LONGEST_HEADER)
    // It is looked at from its beginning, so only when it is twice as long.
    enough = Math.min(2 * head.length, LONGEST_HEADER + 1)
  }
  return { dialect, bytes: goingOn(head.subarray(dialect.prelude), chunks, isWhole) }
}

async function* goingOn(head: Buffer, chunks: AsyncIterator<Buffer>, isWhole: boolean) {
  try {
    yield head
    while (!isWhole) {
      const { done = false, value } = await chunks.next()
      if (done) return
      yield value
    }
  } finally {
    await chunks.return?.()
  }
}

/** Undefined when more must be read. */
function dialectOf(head: Buffer, isAll: boolean): Dialect | undefined {
  if (head.length < 4 && !isAll) return undefined
  refuseOtherFormats(head)
  const text = head.toString()
  const begin = text.startsWith(BYTE_ORDER_MARK) ? 1 : 0
  const [prelude = '', named] = readPrelude(text.slice(begin)) ?? []
  const header = firstLineOf(text.slice(begin + prelude.length))
  if (header === undefined && !isAll) return undefined
  return {
    recordEnds: /\r(?!\n)/.test(text) ? ['\r\n', '\n', '\r'] : ['\r\n', '\n'],
    divider: named?.replace('\\t', '\t') ?? bestDivider(header ?? text),
    prelude: prelude === '' ? 0 : Buffer.byteLength(text.slice(0, begin + prelude.length))
  }
}

function readPrelude(text: string): RegExpExecArray | undefined {
  if (!/^"?sep=/i.test(text)) return undefined
  const prelude = PRELUDE.exec(text)
  if (prelude !== null) return prelude
  throw new BrokenFile(1, 'has a line "sep=" that does not name one divider, such as "sep=;"')
}

/** The first line that is not empty, if it has come whole; line breaks in quotes do not end it. */
function firstLineOf(text: string): string | undefined {
  const begin = text.search(/[^\r\n]/)
  if (begin === -1) return undefined
  let isQuoted = false
  for (let at = begin; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) isQuoted = !isQuoted
    else if (!isQuoted && (code === LINE_FEED || code === CARRIAGE_RETURN)) return text.slice(begin, at)
  }
  return undefined
}

/** The one by which most names of columns are found; among equals the one that divides most. */
function bestDivider(header: string): string {
  const divided = DIVIDERS.map((divider) => {
    const cells = header.split(divider)
    return {
      divider,
      parts: cells.length,
      known: cells.filter((cell) => columnOf(cell) !== undefined).length
    }
  })
  return divided.reduce((best, other) =>
    (other.known - best.known || other.parts - best.parts) > 0 ? other : best
  ).divider
}

/** The column that a cell of the header names, in any case and with blanks or hyphens in place of low lines. */
export function columnOf(cell: string): (typeof COLUMNS)[number] | undefined {
  const written = cell.trim()
  if (written === '' || written.length > LONGEST_NAME) return undefined
  const name = written.replaceAll('"', '').trim().toLowerCase().replace(/[\s-]/g, '_')
  return COLUMNS.find((column) => column === name)
}
