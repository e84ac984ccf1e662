import type { Selectable } from 'kysely'
import { listChangedAuthors } from '../changes.ts'
import type { ReadDb } from '../database.ts'
import { slugify } from '../text.ts'
import { compare, findTakenIdentifiers, type Refusal, refuseTaken } from './importing.ts'
import { firstFreeSlug, isSlugFree } from './slugs.ts'
import type { StagedDb } from './staged-tables.ts'
import {
  type AuthorRecord,
  type AuthorsTable,
  completed,
  RECORD_COLUMNS,
  SCHEMES,
  toAuthor,
  toRow
} from './table.ts'
import { splitWords } from './words.ts'

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

const COLUMNS = [...RECORD_COLUMNS, 'name_key', 'book_key'] as const
type Row = Pick<Selectable<AuthorsTable>, (typeof COLUMNS)[number]>
type Staged = Row & { position: number; line: number; same_as: string | null; words: string }

const CHANGES_AT_ONCE = 500
const ERRORS_LISTED = 100

/**
 * Decides once more on the staged rows that have to do with authors which were changed after `since`. None of the rows was refused
 * before, so that rows with different names and books have no identifier in common, and each can be decided by itself.
 */
export async function revise(db: ReadDb, staged: StagedDb, since: number): Promise<Findings & Since> {
  const revision = new Revision(db, staged)
  for (let last = since; ; ) {
    const changes = await listChangedAuthors(db, { after: last, limit: CHANGES_AT_ONCE })
    await revision.follow([...new Set(changes.map(({ author_id }) => author_id))])
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
  async follow(ids: string[]): Promise<void> {
    if (ids.length === 0) return
    const changed = await this.#db.selectFrom('authors').select(COLUMNS).where('id', 'in', ids).execute()
    for (const row of await this.#touchedBy(ids, changed)) await this.#decide(row)
    for (const row of await this.#withSlugsOf(changed)) await this.#setSlug(row)
  }

  findings(): Findings {
    return { refused: this.#refused, errors: this.#errors }
  }

  /** The staged rows that may have another outcome now. */
  async #touchedBy(ids: string[], changed: Row[]): Promise<Staged[]> {
    const touched = await this.#select().where('same_as', 'in', ids).execute()
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

  async #withSlugsOf(changed: Row[]): Promise<Staged[]> {
    const slugs = changed.map(({ slug }) => slug)
    const clashing = this.#select().where('slug', 'in', slugs).where('same_as', 'is', null)
    return slugs.length === 0 ? [] : clashing.orderBy('position').execute()
  }

  #select() {
    return this.#staged
      .selectFrom('authors')
      .select([...COLUMNS, 'position', 'line', 'same_as', 'words'])
      .$castTo<Staged>()
  }

  async #decide(row: Staged): Promise<void> {
    const content = completed(toAuthor(row))
    const same = await this.#findSame(row)
    const outcome = same
      ? compare(same, content)
      : refuseTaken(content, new Set(await findTakenIdentifiers(this.#db, [content])))
    if (typeof outcome !== 'string') await this.#refuse(row, outcome)
    else if (outcome === 'created') await this.#insertAfterAll(row)
    else await this.#leaveOut(row, (same as AuthorRecord).id)
  }

  async #findSame({ name_key, book_key }: Row): Promise<AuthorRecord | undefined> {
    const row = await this.#db
      .selectFrom('authors')
      .select(RECORD_COLUMNS)
      .where('name_key', '=', name_key)
      .where('book_key', '=', book_key)
      .executeTakeFirst()
    return row && toAuthor(row)
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
    if (row.same_as === null) return
    await this.#setSlug(row)
    const words = splitWords(row.words).map((word) => ({ word, author_id: row.id }))
    if (words.length > 0) await this.#staged.insertInto('author_words').values(words).execute()
  }

  async #leaveOut({ position, id, words, same_as }: Staged, sameId: string): Promise<void> {
    await this.#staged
      .updateTable('authors')
      .set({ same_as: sameId, slug: '' })
      .where('position', '=', position)
      .execute()
    if (same_as !== null) return
    const indexed = this.#staged.deleteFrom('author_words').where('author_id', '=', id)
    await indexed.where('word', 'in', ['', ...splitWords(words)]).execute()
  }

  /** Gives it a slug that is free both there and here, with which it is to be inserted. */
  async #setSlug(row: Staged): Promise<void> {
    const slug = await firstFreeSlug(slugify(row.name), (one) => this.#isFree(one))
    const { record } = toRow({ ...toAuthor(row), slug })
    await this.#staged
      .updateTable('authors')
      .set({ slug, record, same_as: null })
      .where('position', '=', row.position)
      .execute()
  }

  async #isFree(slug: string): Promise<boolean> {
    if (!(await isSlugFree(this.#db, slug))) return false
    const staged = this.#staged.selectFrom('authors').select('position').where('slug', '=', slug).limit(1)
    return (await staged.executeTakeFirst()) === undefined
  }
}
