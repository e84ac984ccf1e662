/** Authors as CSV (RFC 4180), in a form that is safe in a spreadsheet and comes back unchanged. */
import { pipeline, type Readable } from 'node:stream'
import { type CastingContext, CsvError, type Info, parse } from 'csv-parse'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { COLUMNS, REQUIRED_COLUMNS } from '../../schemas/transfers.ts'
import { type ColumnMap, foldName } from './column-map.ts'
import { LineCounter } from './lines.ts'
import { BrokenFile, type Row } from './rows.ts'

type Column = (typeof COLUMNS)[number]

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
 * The rows of a CSV file, each with the line where it begins. Columns may stand in any order.
 * Throws `BrokenFile` where it cannot be read on.
 */
export async function* parseCsv(source: Readable, map: ColumnMap = []): AsyncGenerator<Row> {
  const lines = new LineCounter()
  const records = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    relax_column_count: true,
    record_delimiter: ['\r\n', '\n'],
    max_record_size: LONGEST_RECORD,
    cast: readCell
  })
  // What goes wrong comes out of `records`.
  pipeline(source, lines.counting, records, () => {})
  let columns: (Column | undefined)[] | undefined
  let [end, emptyLines] = [0, 0]
  try {
    for await (const { record, info } of records as AsyncIterable<{ record: Cell[]; info: Info }>) {
      const line = lines.at(end) + info.empty_lines - emptyLines
      end = info.bytes
      emptyLines = info.empty_lines
      if (columns === undefined) columns = readHeader(record, line, map)
      else yield toRow(record, columns, line)
    }
  } catch (error) {
    // Its `bytes` are those of the records before it.
    throw error instanceof CsvError ? new BrokenFile(lines.at(error.bytes as number), explain(error)) : error
  }
  if (columns === undefined)
    throw new BrokenFile(1, `has no header; it must name ${REQUIRED_COLUMNS.join(', ')}`)
}

type Cell = string | null

/** An empty cell is null, unless it is quoted. */
function readCell(value: string, { quoting }: CastingContext): Cell {
  return value === '' && !quoting ? null : fromCell(value)
}

/** The column that each cell stands for; undefined for one that is left out. */
function readHeader(cells: Cell[], line: number, map: ColumnMap): (Column | undefined)[] {
  const names = cells.map((cell) => foldName(cell ?? ''))
  const absent = map.map(([name]) => name).filter((name) => !names.includes(name))
  const mapped = new Map(map)
  const columns = names.map((name) => mapped.get(name) ?? name)
  const unknown = cells.filter((_, index) => !['', ...COLUMNS].includes(columns[index] as string))
  const nameless = names.some((name) => name === '' && !mapped.has(''))
  const missing = REQUIRED_COLUMNS.filter((name) => !columns.includes(name))
  const repeated = COLUMNS.filter((name) => columns.indexOf(name) !== columns.lastIndexOf(name))
  const faults = [
    ...(unknown.length > 0 ? [`has unknown columns (${listed(unknown)})`] : []),
    ...(nameless ? ['has a column without a name'] : []),
    ...(missing.length > 0 ? [`lacks the columns ${missing.join(', ')}`] : []),
    ...(repeated.length > 0 ? [`has columns twice (${repeated.join(', ')})`] : []),
    ...(absent.length > 0 ? [`has no columns ${listed(absent)}, which "map" names`] : [])
  ]
  if (faults.length === 0) return columns.map((name) => (name === '' ? undefined : (name as Column)))
  const remedies = [
    `known are ${COLUMNS.join(', ')}, divided by commas`,
    ...(unknown.length > 0
      ? [
          `"map" (of the command: --map) tells what other columns stand for, or leaves them out: ${exampleOf(unknown, missing)}`
        ]
      : []),
    ...(nameless ? ['"map" leaves out those without a name: ='] : [])
  ]
  throw new BrokenFile(line, [faults.join(' and '), ...remedies].join('; '))
}

function listed(names: Cell[]): string {
  return names.join(', ').slice(0, 200)
}

/** A `map` for the first of the columns that nobody knows. */
function exampleOf(unknown: Cell[], missing: Column[]): string {
  return unknown
    .slice(0, Math.max(missing.length, 1) + 1)
    .map((name, index) => `${name?.slice(0, 50)}=${missing[index] ?? ''}`)
    .join(',')
}

function toRow(cells: Cell[], columns: (Column | undefined)[], line: number): Row {
  if (cells.length !== columns.length) {
    const detail = `has ${cells.length} cells, but the header has ${columns.length}`
    return { line, errors: [{ pointer: '', detail }] }
  }
  const author: Record<string, unknown> = {}
  const identifiers: Record<string, unknown> = {}
  for (const [index, column] of columns.entries()) {
    const cell = cells[index] as Cell
    if (cell === null || column === undefined) continue
    if (IDENTIFIERS.includes(column)) identifiers[column] = cell
    else author[column] = readValue(column, cell)
  }
  return { line, author: { ...author, identifiers } }
}

/** What is no number or boolean stays text, so that the schema says what is wrong with it. */
function readValue(column: Column, cell: string): unknown {
  switch (column) {
    case 'booker_prize':
      // Spreadsheets write them in capitals.
      return /^(true|false)$/i.test(cell) ? cell.toLowerCase() === 'true' : cell
    case 'birth_year':
    case 'death_year':
      return /^-?\d{1,9}$/.test(cell) ? Number(cell) : cell
    default:
      return cell
  }
}

function explain({ code }: CsvError): string {
  if (code === 'CSV_MAX_RECORD_SIZE')
    return `is longer than ${LONGEST_RECORD} characters; is a quote not closed?`
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'has a quote that is not closed: the file may have been cut off'
  return 'has a quote in the wrong place; a text with quotes is put in quotes, and its own are doubled'
}
