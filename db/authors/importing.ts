import { isDeepStrictEqual } from 'node:util'
import type { Db } from '../database.ts'
import { foldText, slugify } from '../text.ts'
import { findFreeSlug, isSlugFree } from './slugs.ts'
import {
  type AuthorContent,
  type AuthorRecord,
  completed,
  RECORD_COLUMNS,
  SCHEMES,
  toAuthor
} from './table.ts'
import { insertAuthors, newAuthor } from './writing.ts'

/** What became of a row: it was created, or was there already just so, or why it cannot be. */
export type Outcome = 'created' | 'unchanged' | { pointer: string; detail: string }

type Content = ReturnType<typeof completed>

/** Bounded, that an import of any size needs no more memory. */
const SLUGS_REMEMBERED = 100_000

/** An import of many authors, batch after batch, each batch with a few statements in place of several for each row. */
export class AuthorImport {
  readonly #ownerId: string
  /** By the slug without a number the number that was last given, to begin from there. */
  readonly #numbers = new Map<string, number>()

  constructor(ownerId: string) {
    this.#ownerId = ownerId
  }

  /** Inserts what is new among the contents, and tells of each what became of it. Takes a transaction. */
  async add(trx: Db, contents: readonly AuthorContent[]): Promise<Outcome[]> {
    const complete = contents.map(completed)
    const known = await findSame(trx, complete)
    const takenIdentifiers = await findTakenIdentifiers(trx, complete)
    const takenSlugs = await findTakenSlugs(trx, complete)
    const created: AuthorRecord[] = []
    const outcomes: Outcome[] = []
    for (const content of complete) {
      const key = keyOf(content)
      const same = known.get(key)
      const outcome = same === undefined ? refuseTaken(content, takenIdentifiers) : compare(same, content)
      outcomes.push(outcome)
      if (outcome !== 'created') continue
      const author = newAuthor(content, await this.#slugFor(trx, content.name, takenSlugs), this.#ownerId)
      known.set(key, author)
      takenSlugs.add(author.slug)
      for (const identifier of identifiersOf(content)) takenIdentifiers.add(identifier)
      created.push(author)
    }
    await insertAuthors(trx, created, 'created', this.#ownerId)
    return outcomes
  }

  async #slugFor(trx: Db, name: string, taken: Set<string>): Promise<string> {
    const base = slugify(name)
    if (!taken.has(base)) return base
    const last = this.#numbers.get(base)
    let number = last === undefined ? await firstFreeNumber(trx, base) : last + 1
    while (taken.has(`${base}-${number}`) || !(await isSlugFree(trx, `${base}-${number}`))) number += 1
    if (this.#numbers.size >= SLUGS_REMEMBERED) this.#numbers.clear()
    this.#numbers.set(base, number)
    return `${base}-${number}`
  }
}

async function firstFreeNumber(trx: Db, base: string): Promise<number> {
  const slug = await findFreeSlug(trx, base)
  return slug === base ? 2 : Number(slug.slice(base.length + 1))
}

function keyOf({ name, book }: { name: string; book: string }): string {
  return `${foldText(name)}\n${foldText(book)}`
}

function identifiersOf({ identifiers }: Content): string[] {
  return SCHEMES.filter((scheme) => identifiers[scheme] !== null).map(
    (scheme) => `${scheme} ${identifiers[scheme]}`
  )
}

function compare(author: AuthorRecord, content: Content): Outcome {
  const differing = (Object.keys(content) as (keyof Content)[]).filter(
    (field) => !isDeepStrictEqual(author[field], content[field])
  )
  if (differing.length === 0) return 'unchanged'
  const detail = `is another than that of the author at /authors/${author.slug}, which has this name and book already`
  return { pointer: `/${differing[0]}`, detail }
}

function refuseTaken(content: Content, taken: Set<string>): Outcome {
  const identifier = identifiersOf(content).find((one) => taken.has(one))
  if (identifier === undefined) return 'created'
  const scheme = identifier.split(' ', 1)[0]
  return { pointer: `/identifiers/${scheme}`, detail: 'stands at another author already' }
}

/** By its key every author that has the folded name and book of one of these. */
async function findSame(trx: Db, contents: Content[]): Promise<Map<string, AuthorRecord>> {
  const keys = contents.map(({ name, book }) => [foldText(name), foldText(book)] as const)
  const rows = await trx
    .selectFrom('authors')
    .select(RECORD_COLUMNS)
    .where((eb) =>
      eb(
        eb.refTuple('name_key', 'book_key'),
        'in',
        keys.map(([name, book]) => eb.tuple(name, book))
      )
    )
    .execute()
  return new Map(rows.map((row) => [keyOf(row), toAuthor(row)]))
}

async function findTakenIdentifiers(trx: Db, contents: Content[]): Promise<Set<string>> {
  const taken = new Set<string>()
  for (const scheme of SCHEMES) {
    const values = contents.flatMap(({ identifiers }) => identifiers[scheme] ?? [])
    if (values.length === 0) continue
    const rows = await trx.selectFrom('authors').select(scheme).where(scheme, 'in', values).execute()
    for (const row of rows) taken.add(`${scheme} ${row[scheme]}`)
  }
  return taken
}

async function findTakenSlugs(trx: Db, contents: Content[]): Promise<Set<string>> {
  const slugs = contents.map(({ name }) => slugify(name))
  const rows = await trx.selectFrom('authors').select('slug').where('slug', 'in', slugs).execute()
  return new Set(rows.map(({ slug }) => slug))
}
