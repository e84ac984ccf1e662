import type { Selectable } from 'kysely'
import { listChangedAuthors } from '../changed-authors.ts'
import type { ReadDb } from '../tables.ts'
import { slugify } from '../text.ts'
import { compare, type Refusal, refuseTaken, type Same } from './importing.ts'
import { firstFreeSlug, isSlugFree } from './slugs.ts'
import type { StagedAuthorsTable, StagedDb } from './staged-tables.ts'
import { type AuthorsTable, completed, foldTexts, SCHEMES } from './table.ts'
import { findHolders } from './taken.ts'

/** Rows that cannot be imported after all. */
export interface Findings {
  refused: number
  /** The first of them, by their lines. */
  errors: (Refusal & { line: number })[]
}

/** Up to which change the staged rows were decided. */
export interface Since {
  since: number
}

const STAGED = ['position', 'line', 'number', 'name_key', 'book_key', 'record'] as const
type Staged = Pick<Selectable<StagedAuthorsTable>, (typeof STAGED)[number]>
const CHANGED = ['slug', 'name_key', 'book_key', ...SCHEMES] as const
type Changed = Pick<Selectable<AuthorsTable>, (typeof CHANGED)[number]>

const CHANGES_AT_ONCE = 500
/** What is refused so late is what others have changed within seconds; of a file that repeats one row for ever not all is listed. */
const ERRORS_LISTED = 10_000

/**
 * Decides once more on the staged rows that have to do with authors which were changed after `since`. None of the rows was refused
 * before, so that rows of different names have no identifier in common, and each can be decided by itself.
 */
export async function revise(db: ReadDb, staged: StagedDb, since: number): Promise<Findings & Since> {
  const revision = new Revision(db, staged)
  for (let last = since; ; ) {
    const changes = await listChangedAuthors(db, { after: last, limit: CHANGES_AT_ONCE })
    await revision.follow([...new Set(changes.map(({ number }) => number))])
    last = changes.at(-1)?.sequence ?? last
    if (changes.length < CHANGES_AT_ONCE) return { ...revision.findings(), since: last }
  }
}

class Revision {
  readonly #db: ReadDb
  readonly #staged: StagedDb
  #refused = 0
  #errors: Findings['errors'] = []

  constructor(db: ReadDb, staged: StagedDb) {
    this.#db = db
    this.#staged = staged
  }

  /** These authors were changed. */
  async follow(numbers: number[]): Promise<void> {
    if (numbers.length === 0) return
    const authors = this.#db.selectFrom('authors').select(CHANGED)
    const changed = await authors.where('number', 'in', numbers).execute()
    for (const row of await this.#touchedBy(numbers, changed)) await this.#decide(row)
    for (const row of await this.#withSlugsOf(changed)) await this.#setSlug(row)
  }

  findings(): Findings {
    return { refused: this.#refused, errors: this.#errors }
  }

  /** The staged rows that may have another outcome now. */
  async #touchedBy(numbers: number[], changed: Changed[]): Promise<Staged[]> {
    const touched = await this.#select().where('number', 'in', numbers).execute()
    for (const { name_key, book_key } of changed) {
      const same = this.#select().where('name_key', '=', name_key).where('book_key', '=', book_key)
      touched.push(...(await same.execute()))
    }
    for (const scheme of SCHEMES) {
      const identifiers = changed.flatMap((row) => row[scheme] ?? [])
      if (identifiers.length === 0) continue
      touched.push(...(await this.#select().where(scheme, 'in', identifiers).execute()))
    }
    return [...new Map(touched.map((row) => [row.position, row])).values()]
  }

  async #withSlugsOf(changed: Changed[]): Promise<Staged[]> {
    const slugs = changed.map(({ slug }) => slug)
    const clashing = this.#select().where('slug', 'in', slugs).where('number', 'is', null)
    return slugs.length === 0 ? [] : clashing.orderBy('position').execute()
  }

  #select() {
    return this.#staged.selectFrom('authors').select(STAGED)
  }

  async #decide(row: Staged): Promise<void> {
    const content = completed(JSON.parse(row.record))
    const same = await this.#findSame(row)
    const outcome = same
      ? compare(same, content)
      : refuseTaken(
          { ...content, folded: foldTexts(content) },
          new Map(await findHolders(this.#db, [content]))
        )
    if (typeof outcome !== 'string') await this.#refuse(row, outcome)
    else if (outcome === 'created') await this.#insertAfterAll(row)
    else await this.#leaveOut(row, same as Same)
  }

  async #findSame({ name_key, book_key }: Staged): Promise<Same | undefined> {
    const row = await this.#db
      .selectFrom('authors')
      .select(['number', 'record'])
      .where('name_key', '=', name_key)
      .where('book_key', '=', book_key)
      .executeTakeFirst()
    return row && { ...JSON.parse(row.record), number: row.number }
  }

  /** With all the rows that repeat it. */
  async #refuse({ position, line }: Staged, refusal: Refusal): Promise<void> {
    const repeats = await this.#staged
      .selectFrom('repeats')
      .select('line')
      .where('position', '=', position)
      .orderBy('line')
      .execute()
    this.#refused += 1 + repeats.length
    const errors = [{ line }, ...repeats.slice(0, ERRORS_LISTED)].map((at) => ({ ...at, ...refusal }))
    this.#errors = [...this.#errors, ...errors].sort((a, b) => a.line - b.line).slice(0, ERRORS_LISTED)
    await this.#staged.deleteFrom('repeats').where('position', '=', position).execute()
    await this.#staged.deleteFrom('authors').where('position', '=', position).execute()
  }

  async #insertAfterAll(row: Staged): Promise<void> {
    if (row.number !== null) await this.#setSlug(row)
  }

  async #leaveOut({ position }: Staged, { number }: Same): Promise<void> {
    const row = this.#staged.updateTable('authors').where('position', '=', position)
    await row.set({ number: number as number, slug: '' }).execute()
  }

  /** Gives it a slug that is free both there and here, with which it is to be inserted. */
  async #setSlug({ position, record: text }: Staged): Promise<void> {
    const author = JSON.parse(text)
    const slug = await firstFreeSlug(slugify(author.name), (one) => this.#isFree(one))
    const record = JSON.stringify({ ...author, slug })
    const row = this.#staged.updateTable('authors').where('position', '=', position)
    await row.set({ slug, record, number: null }).execute()
  }

  async #isFree(slug: string): Promise<boolean> {
    if (!(await isSlugFree(this.#db, slug))) return false
    const staged = this.#staged.selectFrom('authors').select('position').where('slug', '=', slug).limit(1)
    return (await staged.executeTakeFirst()) === undefined
  }
}
