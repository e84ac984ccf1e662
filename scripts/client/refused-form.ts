/** How refused rows are written: as they were, with two columns or members more. */
import type { Readable } from 'node:stream'
import { toCell } from '../../plugins/transfers/csv.ts'
import { readDialect } from '../../plugins/transfers/dialect.ts'
import { BrokenFile } from '../../plugins/transfers/rows.ts'
import type { Format } from './arguments.ts'
import type { RawRow } from './raw-rows.ts'

export interface RefusedForm {
  /** With what the file begins. */
  head: Buffer
  /** The line of the header, which is no row. */
  headerLine: number
  toRow(line: number, reason: string, bytes: Buffer): Buffer
}

const PRELUDE = /^"?sep=/i
/** Longer texts are no rows that somebody can correct, and what is in them is not closed. */
const LONGEST_ROW = 1_000_000

/** The form of a file, of whose rows the header is read. */
export async function readForm(
  rows: AsyncGenerator<RawRow>,
  { format, open }: { format: Format; open(): Readable }
): Promise<RefusedForm> {
  if (format === 'ndjson') return { head: Buffer.alloc(0), headerLine: 0, toRow: toObject }
  const divider = await readDivider(open())
  const head: string[] = []
  let headerLine = 0
  for (let row = await rows.next(); !row.done; row = await rows.next()) {
    const { line, bytes } = row.value
    const whole = bytes.toString()
    const text = whole.replace(/^\uFEFF/, '')
    headerLine = line
    if (text !== whole) head.push('\uFEFF')
    if (line === 1 && PRELUDE.test(text)) head.push(`${text}\r\n`)
    else if (text.trim() !== '') {
      head.push(`line${divider}reason${divider}${text}\r\n`)
      break
    }
  }
  return { head: Buffer.from(head.join('')), headerLine, toRow: (...row) => toRecord(divider, ...row) }
}

/** As the service finds it. */
async function readDivider(source: Readable): Promise<string> {
  try {
    return (await readDialect(source)).dialect.divider
  } catch (error) {
    if (!(error instanceof BrokenFile)) throw error
    return ','
  } finally {
    source.destroy()
  }
}

/** What is put in stands first, so that it is in its column also in a row with too few or too many cells. */
function toRecord(divider: string, line: number, reason: string, bytes: Buffer): Buffer {
  const head = Buffer.from(`${line}${divider}"${withoutQuotes(toCell(reason))}"${divider}`)
  return Buffer.concat([head, isClosed(bytes) ? bytes : Buffer.from(toOneCell(bytes)), Buffer.from('\r\n')])
}

function withoutQuotes(cell: string): string {
  return cell.startsWith('"') ? cell.slice(1, -1) : cell.replaceAll('"', '""')
}

function isClosed(bytes: Buffer): boolean {
  let quotes = 0
  for (let at = bytes.indexOf('"'); at !== -1; at = bytes.indexOf('"', at + 1)) quotes += 1
  return quotes % 2 === 0 && bytes.length <= LONGEST_ROW
}

/** Where a quote is not closed, the rest of the file would be part of it. */
function toOneCell(bytes: Buffer): string {
  const [line = ''] = bytes.toString().split(/[\r\n]/, 1)
  return `"${line.replaceAll('"', '""')}"`
}

function toObject(line: number, reason: string, bytes: Buffer): Buffer {
  const text = bytes.toString().trim()
  return Buffer.from(`${withMembers(text, { line, reason })}\n`)
}

function withMembers(text: string, added: object): string {
  const row = parseObject(text)
  if (row === undefined) return JSON.stringify({ ...added, row: text.slice(0, LONGEST_ROW) })
  if ('line' in row || 'reason' in row) return JSON.stringify({ ...row, ...added })
  const members = text.slice(1).trimStart()
  return `${JSON.stringify(added).slice(0, -1)}${members === '}' ? '' : ','}${members}`
}

/** Undefined for what is no object. */
function parseObject(text: string): object | undefined {
  try {
    const value: unknown = text.startsWith('{') ? JSON.parse(text) : undefined
    return value as object | undefined
  } catch {
    return undefined
  }
}
