import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ControlledTransaction } from 'kysely'
import { AuthorImport } from '../../db/authors/importing.ts'
import { type Credential, findBearer } from '../../db/bearers.ts'
import type { Db, Tables } from '../../db/database.ts'
import { CreateAuthor, impossibleLife } from '../../schemas/authors.ts'
import type { FieldError } from '../../schemas/errors.ts'
import { CSV } from '../../schemas/transfers.ts'
import { toFieldErrors, type Violation } from '../errors/field-errors.ts'
import { buildValidator } from '../validation.ts'
import { parseCsv } from './csv.ts'
import { parseNdjson } from './ndjson.ts'
import { BrokenFile, type Row } from './rows.ts'

export interface ImportJob {
  mediaType: string
  mode: 'all' | 'partial'
  dryRun: boolean
  /** Whose authors they become, and by what right. */
  user: Credential & { id: string }
}

export interface ImportSummary {
  created: number
  unchanged: number
  refused: number
  /** Of the refused ones the first 100. */
  errors: FieldError[]
  /** False when the credential was no longer good; then nothing more was written. */
  isAllowed: boolean
}

type Transaction = ControlledTransaction<Tables>
type Checked = { line: number; author: CreateAuthor }

const ERRORS_LISTED = 100
const BATCH = 64
const ROWS_A_TRANSACTION = 1024
/** A little longer than a writer of another connection waits before it tries again. */
const OTHERS_TURN_MS = 15

/**
 * Imports authors from a file: all of them in one transaction or none, or in mode `partial` the good ones, some at a time.
 * Its memory does not grow with the file. `onProgress` is told how many rows have been looked at.
 */
export async function runImport(
  db: Db,
  source: Readable,
  job: ImportJob,
  onProgress: (rows: number) => void
): Promise<ImportSummary> {
  return new Import(db, job, onProgress).run(job.mediaType === CSV ? parseCsv(source) : parseNdjson(source))
}

class Import {
  readonly #db: Db
  readonly #job: ImportJob
  readonly #authors: AuthorImport
  readonly #onProgress: (rows: number) => void
  readonly #summary: ImportSummary = { created: 0, unchanged: 0, refused: 0, errors: [], isAllowed: true }
  #transaction: Transaction | undefined
  #rowsInTransaction = 0

  constructor(db: Db, job: ImportJob, onProgress: (rows: number) => void) {
    this.#db = db
    this.#job = job
    this.#authors = new AuthorImport(job.user.id)
    this.#onProgress = onProgress
  }

  async run(rows: AsyncGenerator<Row>): Promise<ImportSummary> {
    try {
      await this.#addAll(rows)
      await this.#end()
    } catch (error) {
      await this.#transaction?.rollback().execute()
      if (!(error instanceof NotAllowed)) throw error
      this.#summary.isAllowed = false
    }
    const nothingWritten = this.#job.mode === 'all' && this.#summary.refused > 0 && !this.#job.dryRun
    return nothingWritten ? { ...this.#summary, created: 0 } : this.#summary
  }

  async #addAll(rows: AsyncGenerator<Row>): Promise<void> {
    let batch: Checked[] = []
    try {
      for await (const row of rows) {
        const checked = this.#check(row)
        if (checked === undefined) continue
        batch.push(checked)
        if (batch.length < BATCH) continue
        await this.#add(batch)
        batch = []
      }
    } catch (error) {
      if (!(error instanceof BrokenFile)) throw error
      this.#refuse(error.line, [{ pointer: '', detail: error.message }])
    }
    await this.#add(batch)
  }

  #check(row: Row): Checked | undefined {
    const errors = 'errors' in row ? row.errors : faultsOf(row.author)
    if (errors.length > 0) return this.#refuse(row.line, errors)
    return row as Checked
  }

  #refuse(line: number, errors: FieldError[]): undefined {
    this.#summary.refused += 1
    const room = ERRORS_LISTED - this.#summary.errors.length
    this.#summary.errors.push(...errors.slice(0, room).map((error) => ({ line, ...error })))
  }

  async #add(batch: Checked[]): Promise<void> {
    if (batch.length === 0) return
    this.#transaction ??= await this.#begin()
    const outcomes = await this.#authors.add(
      this.#transaction,
      batch.map(({ author }) => author)
    )
    for (const [index, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') this.#summary[outcome] += 1
      else this.#refuse((batch[index] as Checked).line, [outcome])
    }
    this.#rowsInTransaction += batch.length
    const { created, unchanged, refused } = this.#summary
    this.#onProgress(created + unchanged + refused)
    const isPart = this.#job.mode === 'partial' && !this.#job.dryRun
    if (!isPart || this.#rowsInTransaction < ROWS_A_TRANSACTION) return
    await this.#end()
    await sleep(OTHERS_TURN_MS)
  }

  /** Nobody else writes once it has begun, so the right to write that is seen then lasts. */
  async #begin(): Promise<Transaction> {
    const transaction = await this.#db.startTransaction().execute()
    this.#transaction = transaction
    this.#rowsInTransaction = 0
    const user = await findBearer(transaction, this.#job.user)
    if (user?.id !== this.#job.user.id || user.role === 'reader') throw new NotAllowed()
    return transaction
  }

  async #end(): Promise<void> {
    const { mode, dryRun } = this.#job
    const isKept = !dryRun && (mode === 'partial' || this.#summary.refused === 0)
    const transaction = this.#transaction
    this.#transaction = undefined
    if (isKept) await transaction?.commit().execute()
    else await transaction?.rollback().execute()
  }
}

class NotAllowed extends Error {}

const isAuthor = buildValidator({})({ schema: CreateAuthor, httpPart: 'body' } as never)

function faultsOf(author: unknown): FieldError[] {
  if (!isAuthor(author)) return toFieldErrors(isAuthor.errors as Violation[])
  return [impossibleLife(author as CreateAuthor) ?? []].flat()
}
