import type { FieldError } from '../../schemas/errors.ts'

/** A row of a file: what it says of an author, or what is wrong with it as a row. */
export type Row = { line: number; author: unknown } | { line: number; errors: FieldError[] }

/** A file that cannot be read on from a line. */
export class BrokenFile extends Error {
  override readonly name = 'BrokenFile'
  readonly line: number

  constructor(line: number, detail: string) {
    super(detail)
    this.line = line
  }
}
