/** The first record of a CSV file, which says what stands in the cells of the others. */
import { COLUMNS, REQUIRED_COLUMNS } from '../../schemas/transfers.ts'
import { type ColumnMap, foldName } from './column-map.ts'
import { columnOf } from './dialect.ts'
import { BrokenFile } from './rows.ts'

export type Column = (typeof COLUMNS)[number]
export type Cell = string | null

export interface Header {
  /** What each cell stands for; undefined for one that is left out. */
  columns: (Column | undefined)[]
  /** How many cells there are up to the last that has a name. */
  named: number
  /** Which cells have no name, as spreadsheets write empty columns; they must be empty in all records. */
  nameless: number[]
}

export function isBlank(cell: Cell): boolean {
  return cell === null || cell.trim() === ''
}

/** Throws `BrokenFile` when a column is unknown, missing or there twice. */
export function readHeader(cells: readonly Cell[], line: number, map: ColumnMap): Header {
  const names = cells.map((cell) => foldName(cell ?? ''))
  const mapped = new Map(map)
  const columns = names.map((name) => (mapped.has(name) ? columnOf(mapped.get(name) ?? '') : columnOf(name)))
  const isUnknown = (name: string, index: number) =>
    name !== '' && columns[index] === undefined && !mapped.has(name)
  const unknown = cells
    .filter((_, index) => isUnknown(names[index] as string, index))
    .map((cell) => `${cell?.trim()}`)
  const absent = map.map(([name]) => name).filter((name) => !names.includes(name))
  const missing = REQUIRED_COLUMNS.filter((name) => !columns.includes(name))
  const repeated = COLUMNS.filter((name) => columns.indexOf(name) !== columns.lastIndexOf(name))
  const faults = [
    ...(unknown.length > 0 ? [`has unknown columns (${listed(unknown)})`] : []),
    ...(missing.length > 0 ? [`lacks the column ${missing}`] : []),
    ...(repeated.length > 0 ? [`has columns twice (${repeated.join(', ')})`] : []),
    ...(absent.length > 0 ? [`has no columns ${listed(absent)}, which "map" names`] : [])
  ]
  if (faults.length > 0) throw new BrokenFile(line, withRemedies(faults, unknown, missing))
  const nameless = names.flatMap((name, index) => (name === '' && !mapped.has('') ? [index] : []))
  return { columns, named: names.findLastIndex((name) => name !== '') + 1, nameless }
}

function withRemedies(faults: string[], unknown: string[], missing: Column[]): string {
  const remedies = [
    `known are ${COLUMNS.join(', ')}, divided by commas, semicolons or tabs`,
    ...(unknown.length > 0
      ? [
          `"map" (of the command: --map) tells what other columns stand for, or leaves them out: ${exampleOf(unknown, missing)}`
        ]
      : [])
  ]
  return [faults.join(' and '), ...remedies].join('; ')
}

function listed(names: string[]): string {
  return names.join(', ').slice(0, 200)
}

/** A `map` for the first of the columns that nobody knows. */
function exampleOf(unknown: string[], missing: Column[]): string {
  return unknown
    .slice(0, Math.max(missing.length, 1) + 1)
    .map((name, index) => `${name.slice(0, 50)}=${missing[index] ?? ''}`)
    .join(',')
}

/** What is wrong with a record as such. */
export function faultOfRecord(
  cells: readonly Cell[],
  { columns, named, nameless }: Header
): string | undefined {
  if (cells.length < named || (cells.length > columns.length && cells.slice(columns.length).some(isFilled)))
    return `has ${cells.length} cells, but the header has ${columns.length}`
  const stray = nameless.find((index) => isFilled(cells[index] ?? null))
  if (stray === undefined) return undefined
  return `has ${JSON.stringify(cells[stray]?.slice(0, 40))} in cell ${stray + 1}, where the header has no name: name the column, or leave it out with "map": =`
}

function isFilled(cell: Cell): boolean {
  return !isBlank(cell)
}
