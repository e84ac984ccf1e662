/** Authors as NDJSON (https://github.com/ndjson/ndjson-spec): a JSON text in each line. */
import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { type JsonRefused, parseExactJson } from '../json-body/exact-json.ts'
import { BrokenFile, type Row, refuseOtherFormats } from './rows.ts'

const LINE_FEED = 0x0a
const BYTE_ORDER_MARK = Buffer.from('\ufeff')
const LONGEST_LINE = 1_000_000

/** One author as a line, with what a user may write of it. */
export function toNdjson(author: AuthorRecord): string {
  const { name, sort_name, book, country, booker_prize, birth_year, death_year, identifiers, note } = author
  const content = { name, sort_name, book, country, booker_prize, birth_year, death_year, identifiers, note }
  return `${JSON.stringify(content)}\n`
}

/** The rows of an NDJSON file; empty lines are none. Throws `BrokenFile` where it cannot be read on. */
export async function* parseNdjson(source: Readable): AsyncGenerator<Row> {
  let number = 0
  for await (const bytes of linesOf(source)) {
    number += 1
    if (bytes.length > LONGEST_LINE) throw new BrokenFile(number, `is longer than ${LONGEST_LINE} bytes`)
    if (number === 1) refuseOtherFormats(bytes)
    const row = parseLine(number === 1 ? withoutByteOrderMark(bytes) : bytes, number)
    if (row !== undefined) yield row
  }
}

function parseLine(bytes: Buffer, line: number): Row | undefined {
  if (!isUtf8(bytes)) return { line, errors: [{ pointer: '', detail: 'is not UTF-8' }] }
  const text = bytes.toString()
  if (text.trim() === '') return undefined
  try {
    return { line, author: parseExactJson(text, line) }
  } catch (error) {
    return { line, errors: [{ pointer: '', detail: (error as JsonRefused).message }] }
  }
}

function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
    ? bytes.subarray(BYTE_ORDER_MARK.length)
    : bytes
}

/** The lines of a file; one that is far too long is the last. */
export async function* linesOf(source: Readable): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    let begin = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, begin)) {
      yield rest.length === 0 ? chunk.subarray(begin, end) : Buffer.concat([rest, chunk.subarray(begin, end)])
      rest = Buffer.alloc(0)
      begin = end + 1
    }
    rest = Buffer.concat([rest, chunk.subarray(begin)])
    // The caller sees that it is too long, and reads no further.
    if (rest.length > LONGEST_LINE) return yield rest
  }
  if (rest.length > 0) yield rest
}
