import { isDeepStrictEqual } from 'node:util'
import type { Actor } from '../command.ts'
import type { Db, ReadDb } from '../tables.ts'
import { foldText } from '../text.ts'
import { type Content, contentOf, type PreparedRow } from './prepared-row.ts'
import { addressOf } from './representation.ts'
import { firstFreeSlug, isSlugFree } from './slugs.ts'
import {
  findHolders,
  findSame,
  findStagedHolders,
  findTakenSlugs,
  type Holder,
  identifiersOf,
  keyOf
} from './taken.ts'
import { insertAuthors } from './writing.ts'

export interface Refusal {
  pointer: string
  detail: string
}

/** What became of a row: it was created, or was there already just so, or why it cannot be. */
export type Outcome = 'created' | 'unchanged' | Refusal

interface Decision {
  outcome: Outcome
  /** Of the author that is created. */
  slug?: string
  /** What is there already with this name and book. */
  same?: Same
}

/** An author in one of the catalogues; its number if it has one there. */
export interface Same extends Content {
  slug: string
  number?: number | null
}

/** Bounded, so that an import of any size needs no more memory. */
const SLUGS_REMEMBERED = 100_000

/** Decides what becomes of the rows of an import, batch after batch, each batch with a few statements instead of several for each row. */
export class RowDecider {
  readonly #catalogue: ReadDb
  readonly #staged: ReadDb | undefined
  /** By the slug without a number the number that was last given, to begin from there. */
  readonly #numbers = new Map<string, number>()

  /** Of authors with the same name and book, the one in the catalogue counts, not the one that is staged. */
  constructor(catalogue: ReadDb, staged?: ReadDb) {
    this.#catalogue = catalogue
    this.#staged = staged
  }

  /** A decision for each row, as if those before it were written already. */
  async decide(rows: readonly PreparedRow[]): Promise<Decision[]> {
    const folded = rows.map((row) => row.folded)
    const bases = rows.map(({ slug }) => slug)
    const known = new Map(await this.#collect((db) => findSame(db, folded)))
    const created = new Map<string, Pick<PreparedRow, 'content' | 'slug'>>()
    const holders = await this.#findHolders(rows)
    const takenSlugs = new Set(await this.#collect((db) => findTakenSlugs(db, bases)))
    const decisions: Decision[] = []
    for (const row of rows) {
      const key = keyOf(row.folded)
      const same = known.get(key) ?? sameAs(created.get(key))
      const outcome = same === undefined ? refuseTaken(row, holders) : compare(same, contentOf(row))
      if (outcome === 'unchanged') note(holders, row, same?.slug)
      if (outcome !== 'created') {
        decisions.push({ outcome, ...(same && { same }) })
        continue
      }
      const slug = await this.#slugFor(row.slug, takenSlugs)
      created.set(key, { content: row.content, slug })
      takenSlugs.add(slug)
      note(holders, row, slug)
      decisions.push({ outcome, slug })
    }
    return decisions
  }

  /** Both, what is staged first, so that entries of the catalogue come last. */
  get #catalogues(): ReadDb[] {
    return this.#staged === undefined ? [this.#catalogue] : [this.#staged, this.#catalogue]
  }

  async #collect<T>(find: (db: ReadDb) => Promise<T[]>): Promise<T[]> {
    const found: T[] = []
    for (const db of this.#catalogues) found.push(...(await find(db)))
    return found
  }

  async #findHolders(rows: readonly PreparedRow[]): Promise<Map<string, Holder>> {
    const staged = this.#staged === undefined ? [] : await findStagedHolders(this.#staged, rows)
    return new Map([...(await findHolders(this.#catalogue, rows)), ...staged])
  }

  async #slugFor(base: string, taken: Set<string>): Promise<string> {
    if (!taken.has(base)) return base
    const last = this.#numbers.get(base)
    let number = last === undefined ? await this.#firstFreeNumber(base) : last + 1
    while (taken.has(`${base}-${number}`) || !(await this.#isFree(`${base}-${number}`))) number += 1
    if (this.#numbers.size >= SLUGS_REMEMBERED) this.#numbers.clear()
    this.#numbers.set(base, number)
    return `${base}-${number}`
  }

  async #firstFreeNumber(base: string): Promise<number> {
    const slug = await firstFreeSlug(base, (one) => this.#isFree(one))
    return slug === base ? 2 : Number(slug.slice(base.length + 1))
  }

  async #isFree(slug: string): Promise<boolean> {
    for (const db of this.#catalogues) if (!(await isSlugFree(db, slug))) return false
    return true
  }
}

function sameAs(row: Pick<PreparedRow, 'content' | 'slug'> | undefined): Same | undefined {
  return row && { ...contentOf(row), slug: row.slug }
}

/** Notes that the row has its identifiers, unless one before it has them. */
function note(holders: Map<string, Holder>, row: PreparedRow, slug?: string): void {
  for (const one of identifiersOf(row)) {
    const first = holders.get(one)
    holders.set(one, { name: row.folded.name, line: first?.line ?? row.line, slug: first?.slug ?? slug })
  }
}

/** Inserts what is new among the rows, and tells of each what became of it. */
export async function importRows(
  trx: Db,
  rows: readonly PreparedRow[],
  by: { stamp: string; actor: Actor }
): Promise<Outcome[]> {
  const decisions = await new RowDecider(trx).decide(rows)
  const created = rows.flatMap((row, index) => {
    const slug = decisions[index]?.slug
    return slug === undefined ? [] : [{ content: contentOf(row), folded: row.folded, terms: row.terms, slug }]
  })
  await insertAuthors(trx, created, by)
  return decisions.map(({ outcome }) => outcome)
}

/** What becomes of a row with this content when the author has its name and book already: nothing changes, or it is refused. */
export function compare(author: Same, content: Content): Outcome {
  const fields = Object.keys(content) as (keyof Content)[]
  const differing = fields.filter((field) => !isDeepStrictEqual(author[field], content[field]))
  if (differing.length === 0) return 'unchanged'
  const [field = differing[0]] = differing.filter((one) => !isWrittenAlike(author[one], content[one]))
  return { pointer: `/${field}`, detail: whatDiffers(author, content, field as keyof Content) }
}

function whatDiffers(author: Same, content: Content, field: keyof Content): string {
  const address = `/authors/${author.slug}`
  if (!isWrittenAlike(author[field], content[field])) {
    return `is another than that of the author at ${address}, which has this name and book already`
  }
  const text = JSON.stringify(String(author[field]).slice(0, 300))
  return `is written differently there: ${text} at ${address}; write it so here, or leave the row out`
}

const NO_LETTER = /[^\p{L}\p{M}\p{N}]+/gu

/** Whether the texts differ in no more than case, diacritics, spaces and punctuation. */
function isWrittenAlike(one: unknown, other: unknown): boolean {
  const [letters, others] = [one, other].map((text) =>
    typeof text === 'string' ? foldText(text).replace(NO_LETTER, '') : ''
  )
  return letters !== '' && letters === others
}

/** Whether a row can be created beside the holders of identifiers: only authors of the same name share one. */
export function refuseTaken(
  { identifiers, folded }: Pick<PreparedRow, 'identifiers' | 'folded'>,
  holders: ReadonlyMap<string, Holder>
): Outcome {
  const hasOtherName = (holder: Holder | undefined) => holder !== undefined && holder.name !== folded.name
  const identifier = identifiersOf({ identifiers }).find((one) => hasOtherName(holders.get(one)))
  if (identifier === undefined) return 'created'
  const scheme = identifier.split(' ', 1)[0]
  const detail = heldUnderAnotherName(holders.get(identifier) as Holder)
  return { pointer: `/identifiers/${scheme}`, detail }
}

export function heldUnderAnotherName({ line, slug = '' }: Omit<Holder, 'name'>): string {
  const where = line === undefined ? `at ${addressOf({ slug })}` : `in line ${line}`
  return `is that of the author ${where}, who has another name: correct the name or the identifier`
}
