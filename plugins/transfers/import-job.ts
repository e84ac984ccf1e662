import type { Outcome } from '../../db/authors/importing.ts'
import type { PreparedRow } from '../../db/authors/prepared-row.ts'
import type { Findings } from '../../db/authors/revising.ts'
import { Staging, type StagingFiles } from '../../db/authors/staging.ts'
import type { Command } from '../../db/command.ts'
import { admitImport, applyImport, importSlice } from '../../db/commands/imports.ts'
import type { FieldError } from '../../schemas/errors.ts'
import type { ImportReason, RefusedRow } from '../../schemas/transfers.ts'
import type { CheckedRow, FileFormat } from './checked-rows.ts'
import { FirstLines } from './first-lines.ts'
import { RefusedRows } from './refused-rows.ts'

export interface ImportJob extends FileFormat {
  mode: 'all' | 'partial'
  dryRun: boolean
  /** Whose authors they become. */
  ownerId: string
}

export interface ImportSummary {
  created: number
  unchanged: number
  refused: number
  reasons: ImportReason[]
  /** What is wrong with the refused ones, in the order of their lines; the first 100. */
  errors: RefusedRow[]
}

/** What an import needs of the service. */
export interface ImportService {
  /** Rows are staged in `files.staged`, which its owner deletes when the import has ended. */
  files: StagingFiles
  /** Runs a command for the user who imports. */
  run<Input extends object, Output>(command: Command<Input, Output>, input: Input): Promise<Output>
  /** Learns how many rows have been looked at. */
  onProgress(rows: number): void
  /** Learns what is wrong with rows, in the order of their lines. */
  onRefused?(errors: RefusedRow[]): Promise<void>
}

type Counts = Pick<ImportSummary, 'created' | 'unchanged'>

/** Where rows go that are good in themselves. */
interface Target {
  add(rows: PreparedRow[]): Promise<Outcome[]>
  /** What became of the rows, of which none was refused so far, when that is known at the end only. */
  finish?(): Promise<Counts & Findings>
  close(): Promise<void>
}

/**
 * Imports authors from the rows of a file: all of them at once or none, or in mode `partial` the good ones, some at a time. Its memory
 * does not grow with the file.
 */
export async function runImport(
  service: ImportService,
  rows: AsyncIterable<CheckedRow[]>,
  job: ImportJob
): Promise<ImportSummary> {
  await service.run(admitImport, {})
  const target = await openTarget(service, job)
  try {
    return await new Import(target, service).run(rows, job)
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
      const outcomes = await run(importSlice, { rows })
      return firstLines.name(rows, outcomes)
    },
    close: async () => {}
  }
}

function withoutEffect(staging: Staging): Target {
  return {
    add: (rows) => staging.add(rows),
    close: () => staging.close()
  }
}

function allOrNothing(staging: Staging, { run, files }: ImportService): Target {
  let isOpen = true
  async function close() {
    if (isOpen) await staging.close()
    isOpen = false
  }

  async function finish(): Promise<Counts & Findings> {
    const { since, ...found } = await staging.revise()
    if (found.refused > 0) return { ...found, created: 0 }
    await staging.save()
    // The command opens the file in another thread.
    await close()
    return run(applyImport, { staged: files.staged, since })
  }

  return { add: (rows) => staging.add(rows), finish, close }
}

/** Passes the good rows of a file on, and counts what becomes of all. */
class Import {
  readonly #target: Target
  readonly #service: ImportService
  readonly #counts = { created: 0, unchanged: 0 }
  readonly #refused = new RefusedRows()

  constructor(target: Target, service: ImportService) {
    this.#target = target
    this.#service = service
  }

  async run(rows: AsyncIterable<CheckedRow[]>, { mode, dryRun }: ImportJob): Promise<ImportSummary> {
    for await (const batch of rows) await this.#add(batch)
    if (this.#refused.count === 0) await this.#finish()
    else if (mode === 'all' && !dryRun) this.#counts.created = 0
    const { count, errors } = this.#refused
    return { ...this.#counts, refused: count, reasons: this.#refused.reasons(), errors }
  }

  async #add(batch: readonly CheckedRow[]): Promise<void> {
    const rows = batch.filter((row): row is PreparedRow => !('errors' in row))
    const outcomes = (rows.length === 0 ? [] : await this.#target.add(rows)).values()
    const refused: RefusedRow[] = []
    for (const row of batch) {
      const outcome = 'errors' in row ? row.errors : (outcomes.next().value as Outcome)
      if (typeof outcome === 'string') this.#counts[outcome] += 1
      else refused.push(...this.#refuse(row.line, [outcome].flat()))
    }
    if (refused.length > 0) await this.#service.onRefused?.(refused)
    const { created, unchanged } = this.#counts
    this.#service.onProgress(created + unchanged + this.#refused.count)
  }

  #refuse(line: number, errors: FieldError[]): RefusedRow[] {
    this.#refused.add(line, errors)
    return errors.map((error) => ({ line, ...error }))
  }

  /** What is found only now is as if the rows had been refused at once. */
  async #finish(): Promise<void> {
    const found = await this.#target.finish?.()
    if (found === undefined) return
    Object.assign(this.#counts, { created: found.created, unchanged: found.unchanged })
    for (const { line, ...error } of found.errors) this.#refuse(line, [error])
    this.#refused.count = found.refused
    if (found.refused > 0) await this.#service.onRefused?.(found.errors)
  }
}
