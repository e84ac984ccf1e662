/** Rows of an import before they are in the catalogue: in a file of their own, so that nobody waits while it is filled. */
import { type ControlledTransaction, Kysely } from 'kysely'
import { lastSequence } from '../changes.ts'
import { compiledOnce } from '../compiled.ts'
import { readDialect, stagedDialect } from '../dialect.ts'
import { inserter } from '../insert-many.ts'
import type { Tables } from '../tables.ts'
import { countStaged } from './applying.ts'
import { type Outcome, RowDecider } from './importing.ts'
import type { PreparedRow } from './prepared-row.ts'
import { type Findings, revise, type Since } from './revising.ts'
import {
  createStagedIndexes,
  createStagedTables,
  STAGED_TABLES,
  type StagedDb,
  type StagedRow
} from './staged-tables.ts'
import { keyOf } from './taken.ts'

export interface StagingFiles {
  /** As a `DATABASE_URL` names it. */
  database: string
  /** A file that is not there yet. */
  staged: string
}

/** The tables have the names that they have in the database, so that the same functions read and write them. */
const { position: _, ...COLUMNS } = STAGED_TABLES.authors
const insertStaged = inserter('authors', Object.keys(COLUMNS) as never)

const selectPosition = compiledOnce<{ name: string; book: string }>()((db, { name, book }) =>
  (db as unknown as StagedDb)
    .selectFrom('authors')
    .select('position')
    .where('name_key', '=', name)
    .where('book_key', '=', book)
)

/** So many changes are left to the command, which holds up others meanwhile. */
const FEW_CHANGES = 200
const MOST_REVISIONS = 20

/**
 * Decides what becomes of the rows of a file, and stages those that may come into the catalogue, with all that can be known of them
 * before: keys, words and most of the JSON. It only reads the catalogue; what others have written since is left to `revise`.
 */
export class Staging {
  readonly #reads: Kysely<Tables>
  readonly #file: Kysely<Tables>
  /** One transaction for all, so that a page which changes often is seldom written. */
  readonly #staged: ControlledTransaction<Tables>
  readonly #ownerJson: string
  readonly #decider: RowDecider
  #since: number

  private constructor(
    {
      reads,
      file,
      staged
    }: { reads: Kysely<Tables>; file: Kysely<Tables>; staged: ControlledTransaction<Tables> },
    ownerId: string,
    since: number
  ) {
    this.#reads = reads
    this.#file = file
    this.#staged = staged
    this.#ownerJson = JSON.stringify(ownerId)
    this.#decider = new RowDecider(reads, staged)
    this.#since = since
  }

  static async open({ database, staged }: StagingFiles, ownerId: string): Promise<Staging> {
    const reads = new Kysely<Tables>({ dialect: await readDialect(database) })
    const file = new Kysely<Tables>({ dialect: stagedDialect(staged) })
    try {
      await createStagedTables(file)
      await createStagedIndexes(file)
      const since = await lastSequence(reads)
      return new Staging({ reads, file, staged: await file.startTransaction().execute() }, ownerId, since)
    } catch (error) {
      // The thread goes on, with what is still open.
      await reads.destroy()
      await file.destroy()
      throw error
    }
  }

  /** What would become of the rows if they were written now, after all that were added before. */
  async add(rows: readonly PreparedRow[]): Promise<Outcome[]> {
    const decisions = await this.#decider.decide(rows)
    const firsts = new Map<string, StagedRow>()
    const repeats: PreparedRow[] = []
    for (const [index, { outcome, slug = '', same }] of decisions.entries()) {
      const row = rows[index] as PreparedRow
      const key = keyOf(row.folded)
      const isRepeat = outcome === 'unchanged' && (firsts.has(key) || (await this.#isStaged(row)))
      if (isRepeat) repeats.push(row)
      else if (typeof outcome === 'string')
        firsts.set(key, this.#toStaged(row, { slug, number: same?.number ?? null }))
    }
    // In the order of their lines, so that of several who have an identifier the first is found.
    await insertStaged(this.#staged, [...firsts.values()] as never)
    for (const row of repeats) await this.#addRepeat(row)
    return decisions.map(({ outcome }) => outcome)
  }

  /**
   * Decides once more where others have changed something, again and again until little is left for the command, and gives what that
   * found, and what the command must know. Nothing may be added afterwards.
   */
  async revise(): Promise<Findings & Since & { unchanged: number }> {
    const staged = this.#staged as unknown as StagedDb
    let found: Findings & Since = { refused: 0, errors: [], since: this.#since }
    for (let round = 0; found.refused === 0 && round < MOST_REVISIONS; round++) {
      const before = found.since
      found = await revise(this.#reads, staged, before)
      if (found.since - before < FEW_CHANGES) break
    }
    return { ...found, unchanged: (await countStaged(staged)).unchanged }
  }

  /** Writes all that is staged to the file. */
  async save(): Promise<void> {
    await this.#staged.commit().execute()
  }

  async close(): Promise<void> {
    if (!this.#staged.isCommitted) await this.#staged.rollback().execute()
    await this.#reads.destroy()
    await this.#file.destroy()
  }

  /** The first row with its name and book is kept also when it is in the catalogue: it may have to be created after all. */
  async #isStaged({ folded }: PreparedRow): Promise<boolean> {
    return (await selectPosition(this.#staged, folded)).rows.length > 0
  }

  async #addRepeat({ line, folded }: PreparedRow): Promise<void> {
    const [first] = (await selectPosition(this.#staged, folded)).rows
    const { position } = first as { position: number }
    const staged = this.#staged as unknown as StagedDb
    await staged.insertInto('repeats').values({ line, position }).execute()
  }

  #toStaged(
    { line, content, birth_year, booker_prize, identifiers, folded, terms }: PreparedRow,
    { slug, number }: { slug: string; number: number | null }
  ): StagedRow {
    // Put together as text, since the content is; nothing in a slug is escaped in JSON.
    const record = `{"slug":"${slug}",${content.slice(1, -1)},"owner_id":${this.#ownerJson},"version":1}`
    return {
      line,
      number,
      slug,
      birth_year,
      booker_prize: booker_prize ? 1 : 0,
      ...identifiers,
      name_key: folded.name,
      book_key: folded.book,
      sort_key: folded.sort_name,
      terms,
      record
    }
  }
}
