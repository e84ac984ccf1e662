/** Authors as CSV (RFC 4180), in a form that is safe in a spreadsheet and comes back unchanged. */
import { pipeline, Readable } from 'node:stream'
import { type CastingContext, CsvError, type Info, parse } from 'csv-parse'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { COLUMNS, REQUIRED_COLUMNS } from '../../schemas/transfers.ts'
import { readBoolean, readYearCell } from './cells.ts'
import type { ColumnMap } from './column-map.ts'
import { readDialect } from './dialect.ts'
import { type Cell, type Column, faultOfRecord, type Header, isBlank, readHeader } from './header.ts'
import { LineCounter } from './lines.ts'
import { BrokenFile, type Row } from './rows.ts'

const IDENTIFIERS: readonly Column[] = ['viaf', 'isni', 'wikidata', 'openlibrary']
/** What begins a formula, in the forms that a spreadsheet may take for it. */
const FORMULA_START = '=+\\-@＝＋－＠﹢﹣﹦﹫⁺⁻⁼₊₋₌−'
/** Where the next cell begins in a spreadsheet that does not divide at commas, as is usual where they stand in numbers. */
const DIVIDERS = ';\\t\\r\\n'
/** What may stand before a formula all the same: quotes, and what nobody sees. */
const UNSEEN = `[\\0-\\x08\\x0B\\x0C\\x0E-\\x1F\\x7F-\\x9F\\p{Z}\\p{Cf}\\p{Cs}\\p{Co}\\p{Cn}\\p{DI}\\u2800'"]*`
/** A cell that a spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection). */
const FORMULA = new RegExp(`^${UNSEEN}[${FORMULA_START}\\t\\r\\n]`, 'u')
const INNER_FORMULA = new RegExp(`([${DIVIDERS}])(${UNSEEN}[${FORMULA_START}])`, 'gu')
const GUARDED_INNER_FORMULA = new RegExp(`([${DIVIDERS}])'(${UNSEEN}[${FORMULA_START}])`, 'gu')
const MUST_BE_QUOTED = /[",;|\t\r\n]/
const LONGEST_RECORD = 1_000_000

export const CSV_HEADER = `${COLUMNS.join(',')}\r\n`

/** One author as a record of CSV; null is an empty cell, an empty text is a quoted one. */
export function toCsv(author: AuthorRecord): string {
  const { name, book, country, booker_prize, birth_year, death_year, identifiers, sort_name, note } = author
  const { viaf, isni, wikidata, openlibrary } = identifiers
  const texts = [name, book, country].map(toCell)
  const numbers = [booker_prize, birth_year, death_year].map((value) => value ?? '')
  const others = [viaf, isni, wikidata, openlibrary, sort_name, note].map(toCell)
  return `${[...texts, ...numbers, ...others].join(',')}\r\n`
}

/** A text as a cell; null is an empty one. */
export function toCell(text: string | null): string {
  if (text === null) return ''
  const safe = FORMULA.test(text) ? `'${text}` : text
  if (safe === '') return '""'
  return MUST_BE_QUOTED.test(safe) ? quoted(safe.replace(INNER_FORMULA, "$1'$2")) : safe
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}

/** Takes away just the apostrophes that `toCell` has put in. */
function fromCell(cell: string): string {
  if (!cell.includes("'")) return cell
  const text = cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell
  return text.replace(GUARDED_INNER_FORMULA, '$1$2')
}

/**
 * The rows of a CSV file, each with the line where it begins. Columns may stand in any order, and be divided as the header, or a line
 * `sep=` before it, tells. Throws `BrokenFile` where it cannot be read on.
 */
export async function* parseCsv(source: Readable, map: ColumnMap = []): AsyncGenerator<Row> {
  const { dialect, bytes } = await readDialect(source)
  const lines = new LineCounter(dialect.prelude === 0 ? 1 : 2)
  const records = parse({
    bom: true,
    info: true,
    delimiter: dialect.divider,
    skip_empty_lines: true,
    relax_column_count: true,
    record_delimiter: dialect.recordEnds,
    max_record_size: LONGEST_RECORD,
    cast: readCell
  })
  // What goes wrong comes out of `records`.
  pipeline(Readable.from(bytes), lines.counting, records, () => {})
  let header: Header | undefined
  let [end, emptyLines] = [0, 0]
  try {
    for await (const { record, info } of records as AsyncIterable<{ record: Cell[]; info: Info }>) {
      const line = lines.at(end) + info.empty_lines - emptyLines
      end = info.bytes
      emptyLines = info.empty_lines
      // A spreadsheet writes its empty rows too.
      if (record.every(isBlank)) continue
      if (header === undefined) header = readHeader(record, line, map)
      else yield toRow(record, header, line)
    }
  } catch (error) {
    // Its `bytes` are those of the records before it.
    throw error instanceof CsvError ? new BrokenFile(lines.at(error.bytes as number), explain(error)) : error
  }
  if (header === undefined)
    throw new BrokenFile(1, `has no header; it must name ${REQUIRED_COLUMNS.join(', ')}`)
}
/** An empty cell is null, unless it is quoted. */
function readCell(value: string, { quoting }: CastingContext): Cell {
  return value === '' && !quoting ? null : fromCell(value)
}

function toRow(cells: Cell[], header: Header, line: number): Row {
  const fault = faultOfRecord(cells, header)
  if (fault !== undefined) return { line, errors: [{ pointer: '', detail: fault }] }
  const author: Record<string, unknown> = {}
  const identifiers: Record<string, unknown> = {}
  for (const [index, column] of header.columns.entries()) {
    const cell = cells[index]
    if (cell == null || column === undefined) continue
    const value = readValue(column, cell)
    if (value === undefined) continue
    if (IDENTIFIERS.includes(column)) identifiers[column] = value
    else author[column] = value
  }
  return { line, author: { ...author, identifiers } }
}

/** Undefined for what says nothing; what is none of its kind stays, so that the schema says what is wrong with it. */
function readValue(column: Column, cell: string): unknown {
  switch (column) {
    case 'booker_prize':
      return readBoolean(cell)
    case 'birth_year':
    case 'death_year':
      return readYearCell(cell)
    case 'name':
    case 'note':
      return cell
    case 'sort_name':
    case 'book':
    case 'country':
      return cell === '' ? undefined : cell
    default:
      return isBlank(cell) ? undefined : cell
  }
}

function explain({ code }: CsvError): string {
  if (code === 'CSV_MAX_RECORD_SIZE')
    return `is longer than ${LONGEST_RECORD} characters; is a quote not closed?`
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'has a quote that is not closed: the file may have been cut off'
  return 'has a quote in the wrong place; a text with quotes is put in quotes, and its own are doubled'
}
