import type { Readable } from 'node:stream'
import { impossibleLife } from '../../db/authors/content.ts'
import type { Outcome } from '../../db/authors/importing.ts'
import { type FileRow, Staging, type StagingFiles } from '../../db/authors/staging.ts'
import type { AuthorContent } from '../../db/authors/table.ts'
import type { Command } from '../../db/command.ts'
import { admitImport, applyImport, importSlice } from '../../db/commands/imports.ts'
import { CreateAuthor } from '../../schemas/authors.ts'
import type { FieldError } from '../../schemas/errors.ts'
import { CSV } from '../../schemas/transfers.ts'
import { toFieldErrors, type Violation } from '../errors/field-errors.ts'
import { buildValidator } from '../validation.ts'
import { parseCsv } from './csv.ts'
import { FirstLines } from './first-lines.ts'
import { parseNdjson } from './ndjson.ts'
import { BrokenFile, type Row } from './rows.ts'

export interface ImportJob {
  mediaType: string
  mode: 'all' | 'partial'
  dryRun: boolean
  /** Whose authors they become. */
  ownerId: string
}

export interface ImportSummary {
  created: number
  unchanged: number
  refused: number
  /** Of the refused ones the first 100. */
  errors: FieldError[]
}

/** What an import needs of the service. */
export interface ImportService {
  /** Rows are staged in `files.staged`, which its owner deletes when the import has ended. */
  files: StagingFiles
  /** Runs a command for the user who imports. */
  run<Input extends object, Output>(command: Command<Input, Output>, input: Input): Promise<Output>
  /** Learns how many rows have been looked at. */
  onProgress(rows: number): void
}

type Checked = { line: number; author: AuthorContent }

/** Where rows go that are good in themselves. */
interface Target {
  add(rows: FileRow[]): Promise<Outcome[]>
  /** Changes what became of the rows, when that is known at the end only. */
  finish(summary: ImportSummary): Promise<ImportSummary>
  close(): Promise<void>
}

const ERRORS_LISTED = 100
/** Others write in between, and wait for no more than some ten milliseconds. */
const ROWS_AT_ONCE = 256

/**
 * Imports authors from a file: all of them at once or none, or in mode `partial` the good ones, some at a time. Its memory does not
 * grow with the file.
 */
export async function runImport(
  service: ImportService,
  source: Readable,
  job: ImportJob
): Promise<ImportSummary> {
  await service.run(admitImport, {})
  const rows = job.mediaType === CSV ? parseCsv(source) : parseNdjson(source)
  const target = await openTarget(service, job)
  try {
    return await target.finish(await new Import(target, service.onProgress).run(rows))
  } finally {
    await target.close()
  }
}

async function openTarget(service: ImportService, { mode, dryRun, ownerId }: ImportJob): Promise<Target> {
  if (mode === 'partial' && !dryRun) return inSlices(service)
  const staging = await Staging.open(service.files, ownerId)
  return dryRun ? withoutEffect(staging) : allOrNothing(staging, service)
}

function inSlices({ run }: ImportService): Target {
  const firstLines = new FirstLines()
  return {
    async add(rows) {
      const outcomes = await run(importSlice, { rows: rows.map(({ content }) => content) })
      return firstLines.name(rows, outcomes)
    },
    finish: async (summary) => summary,
    close: async () => {}
  }
}

function withoutEffect(staging: Staging): Target {
  return {
    add: (rows) => staging.add(rows),
    finish: async (summary) => summary,
    close: () => staging.close()
  }
}

function allOrNothing(staging: Staging, { run, files }: ImportService): Target {
  let isOpen = true
  async function close() {
    if (isOpen) await staging.close()
    isOpen = false
  }

  async function finish(summary: ImportSummary): Promise<ImportSummary> {
    if (summary.refused > 0) return { ...summary, created: 0 }
    const { since, ...found } = await staging.revise()
    if (found.refused > 0) return { ...found, created: 0 }
    await staging.save()
    // The command opens the file in another thread.
    await close()
    return run(applyImport, { staged: files.staged, since })
  }

  return { add: (rows) => staging.add(rows), finish, close }
}

/** Checks the rows of a file, passes the good ones on, and counts what becomes of them. */
class Import {
  readonly #target: Target
  readonly #onProgress: (rows: number) => void
  readonly #summary: ImportSummary = { created: 0, unchanged: 0, refused: 0, errors: [] }

  constructor(target: Target, onProgress: (rows: number) => void) {
    this.#target = target
    this.#onProgress = onProgress
  }

  async run(rows: AsyncGenerator<Row>): Promise<ImportSummary> {
    let batch: Checked[] = []
    try {
      for await (const row of rows) {
        const checked = this.#check(row)
        if (checked === undefined) continue
        batch.push(checked)
        if (batch.length < ROWS_AT_ONCE) continue
        await this.#add(batch)
        batch = []
      }
    } catch (error) {
      if (!(error instanceof BrokenFile)) throw error
      this.#refuse(error.line, [{ pointer: '', detail: error.message }])
    }
    await this.#add(batch)
    return this.#summary
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
    const rows = batch.map(({ line, author }) => ({ line, content: author }))
    const outcomes = await this.#target.add(rows)
    for (const [index, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') this.#summary[outcome] += 1
      else this.#refuse((batch[index] as Checked).line, [outcome])
    }
    const { created, unchanged, refused } = this.#summary
    this.#onProgress(created + unchanged + refused)
  }
}

const isAuthor = buildValidator({})({ schema: CreateAuthor, httpPart: 'body' } as never)

function faultsOf(author: unknown): FieldError[] {
  if (!isAuthor(author)) return toFieldErrors(isAuthor.errors as Violation[])
  return [impossibleLife(author as CreateAuthor) ?? []].flat()
}
