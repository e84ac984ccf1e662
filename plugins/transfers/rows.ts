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

/** What files of other formats begin with, and what to do with them. */
const OTHER_FORMATS: [bytes: number[], detail: string][] = [
  [[0xff, 0xfe], 'is UTF-16: save the file as UTF-8, in a spreadsheet as "CSV UTF-8"'],
  [[0xfe, 0xff], 'is UTF-16: save the file as UTF-8, in a spreadsheet as "CSV UTF-8"'],
  [[0x50, 0x4b, 0x03, 0x04], 'is a workbook or an archive: save its sheet as "CSV UTF-8"'],
  [[0xd0, 0xcf, 0x11, 0xe0], 'is a workbook: save its sheet as "CSV UTF-8"'],
  [[0x1f, 0x8b], 'is compressed: unpack the file']
]

/** Throws `BrokenFile` when the file is not text in UTF-8. */
export function refuseOtherFormats(head: Buffer): void {
  const known = OTHER_FORMATS.find(([bytes]) => bytes.every((byte, at) => head[at] === byte))
  const detail = known?.[1] ?? (head.subarray(0, 4).includes(0) ? OTHER_FORMATS[0]?.[1] : undefined)
  if (detail !== undefined) throw new BrokenFile(1, detail)
}
