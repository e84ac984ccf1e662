import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { impossibleLife } from '../../db/authors/content.ts'
import { type PreparedRow, prepareRow } from '../../db/authors/prepared-row.ts'
import { CreateAuthor } from '../../schemas/authors.ts'
import type { FieldError } from '../../schemas/errors.ts'
import { CSV } from '../../schemas/transfers.ts'
import { toFieldErrors, type Violation } from '../errors/field-errors.ts'
import { buildValidator } from '../validation.ts'
import type { ColumnMap } from './column-map.ts'
import { parseCsv } from './csv.ts'
import { parseNdjson } from './ndjson.ts'
import { BrokenFile, type Row } from './rows.ts'

export interface FileFormat {
  mediaType: string
  /** Of CSV: which columns have other names, or are left out. */
  columnMap?: ColumnMap
}

/** A row that is good in itself, or what is wrong with it. */
export type CheckedRow = PreparedRow | { line: number; errors: FieldError[] }

/** A slice of an import is so long: others write in between, and wait for no more than some ten milliseconds. */
const ROWS_AT_ONCE = 256

/**
 * The rows of a file, some at a time, good and bad ones, so that their order is kept; where it cannot be read on is the last of them.
 * When the last has come, or no more are wanted, the source is read no more.
 */
export async function* checkedRows(source: Readable, format: FileFormat): AsyncGenerator<CheckedRow[]> {
  let batch: CheckedRow[] = []
  try {
    for await (const row of rowsOf(source, format)) {
      batch.push(check(row))
      if (batch.length < ROWS_AT_ONCE) continue
      yield batch
      batch = []
    }
  } catch (error) {
    if (!(error instanceof BrokenFile)) throw error
    batch.push({ line: error.line, errors: [{ pointer: '', detail: error.message }] })
  } finally {
    await ended(source)
  }
  yield batch
}

/** Waits for what it is at. */
async function ended(source: Readable): Promise<void> {
  await finished(source.destroy()).catch(() => {})
}

function rowsOf(source: Readable, { mediaType, columnMap }: FileFormat): AsyncGenerator<Row> {
  return mediaType === CSV ? parseCsv(source, columnMap) : parseNdjson(source)
}

function check(row: Row): CheckedRow {
  const { line } = row
  const errors = 'errors' in row ? row.errors : faultsOf(row.author)
  return errors.length > 0 ? { line, errors } : prepareRow(line, (row as { author: CreateAuthor }).author)
}

const isAuthor = buildValidator({})({ schema: CreateAuthor, httpPart: 'body' } as never)

function faultsOf(author: unknown): FieldError[] {
  if (!isAuthor(author)) return toFieldErrors(isAuthor.errors as Violation[])
  return [impossibleLife(author as CreateAuthor) ?? []].flat()
}
