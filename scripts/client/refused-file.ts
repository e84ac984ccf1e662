import { type FileHandle, open, rm } from 'node:fs/promises'
import type { RefusedRow } from '../../schemas/transfers.ts'
import { quoteWord } from '../command-line/quoting.ts'
import { formatOf } from './arguments.ts'
import { Failure, fileFailure } from './failures.ts'
import type { ImportOptions, RefusedListener, Source } from './importing.ts'
import { type RawRow, RowFinder, readRawRows } from './raw-rows.ts'
import { type RefusedForm, readForm } from './refused-form.ts'
import { countOf } from './report.ts'

const BUFFERED_ROWS = 500

/** A new file for the rows that an import refuses, each as it was, with its line and the reason. */
export class RefusedFile implements RefusedListener {
  readonly #name: string
  readonly #source: Source
  readonly #handle: FileHandle
  #rows: AsyncGenerator<RawRow> | undefined
  #finder!: RowFinder
  #form!: RefusedForm
  /** The last row, of which there may be more to come. */
  #pending: { line: number; reasons: string[] } | undefined
  #buffered: Buffer[] = []
  #count = 0
  #isKept = false

  private constructor(name: string, source: Source, handle: FileHandle) {
    this.#name = name
    this.#source = source
    this.#handle = handle
  }

  /** Throws `Failure` when it cannot be written, or is there already. */
  static async open(name: string, source: Source): Promise<RefusedFile> {
    const handle = await open(name, 'ax', 0o600).catch((error) => {
      if (error.code !== 'EEXIST') throw fileFailure('written', name, error)
      throw new Failure(`${name} is there already: name another file for the refused rows, or delete it.`)
    })
    return new RefusedFile(name, source, handle)
  }

  async begin(): Promise<void> {
    await this.#rows?.return(undefined)
    await this.#handle.truncate(0)
    this.#rows = readRawRows(this.#source.open(), this.#source.format)
    this.#form = await readForm(this.#rows, this.#source)
    this.#finder = new RowFinder(this.#rows)
    this.#pending = undefined
    this.#buffered = [this.#form.head]
    this.#count = 0
  }

  /** The errors of one row come one after the other, and the rows in the order of their lines. */
  async add(errors: RefusedRow[]): Promise<void> {
    for (const { line, pointer, detail } of errors) {
      const reason = [pointer, detail].filter(Boolean).join(' ')
      if (this.#pending?.line === line) this.#pending.reasons.push(reason)
      else {
        await this.#flush()
        this.#pending = { line, reasons: [reason] }
      }
    }
  }

  /** Keeps it if there are any such rows, and says what can be done with it. */
  async keep(refused: number, options: ImportOptions): Promise<void> {
    await this.#flush()
    if (this.#count === 0) return
    await this.#write()
    await this.#handle.sync()
    this.#isKept = true
    const left = refused - this.#count
    const all = left > 0 ? ` (the service did not tell the other ${left.toLocaleString('en')})` : ''
    console.error(
      `${countOf(this.#count, 'refused row')} written to ${this.#name}${all}. ${this.#advice(options)}`
    )
  }

  /** Leaves no trace of it unless it was kept. */
  async close(): Promise<void> {
    await this.#rows?.return(undefined)
    await this.#handle.close()
    if (!this.#isKept) await rm(this.#name, { force: true })
  }

  #advice({ map }: ImportOptions): string {
    const { format } = this.#source
    if (format === 'ndjson') return 'Correct them there, take "line" and "reason" out, and import them.'
    const ending = formatOf(this.#name) === format ? '' : ` --format ${format}`
    const columns = quoteWord([map, 'line=', 'reason='].filter(Boolean).join(','))
    const file = quoteWord(this.#name)
    return `Correct them there, and import them with: npx library authors import ${file}${ending} --map ${columns}`
  }

  async #flush(): Promise<void> {
    if (this.#pending === undefined) return
    const { line, reasons } = this.#pending
    this.#pending = undefined
    if (line <= this.#form.headerLine) return
    const row = await this.#finder.at(line)
    this.#buffered.push(this.#form.toRow(line, reasons.join('; '), row?.bytes ?? Buffer.alloc(0)))
    this.#count += 1
    if (this.#buffered.length >= BUFFERED_ROWS) await this.#write()
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#buffered.splice(0))
    await this.#handle.writeFile(bytes).catch((error) => {
      throw fileFailure('written', this.#name, error)
    })
  }
}
