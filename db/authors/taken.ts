/** What is in a catalogue already of what an import would create. */
import { lookUp } from '../look-up-many.ts'
import type { ReadDb } from '../tables.ts'
import type { Content, Same } from './importing.ts'
import { type FoldedTexts, SCHEMES, type Scheme } from './table.ts'

type Key = Pick<FoldedTexts, 'name' | 'book'>

/** What no two authors have in common. */
export function keyOf({ name, book }: Key): string {
  return `${name}\n${book}`
}

/** Each after its scheme. */
export function identifiersOf({ identifiers }: Content): string[] {
  return SCHEMES.filter((scheme) => identifiers[scheme] !== null).map(
    (scheme) => `${scheme} ${identifiers[scheme]}`
  )
}

const selectSame = lookUp<Key>()((db, keys) =>
  db
    .selectFrom('authors')
    .select(['number', 'record', 'name_key', 'book_key'])
    .where((eb) =>
      eb(
        eb.refTuple('name_key', 'book_key'),
        'in',
        keys.map(({ name, book }) => eb.tuple(name, book))
      )
    )
)

/** By its key every author that has the folded name and book of one of these. */
export async function findSame(db: ReadDb, keys: readonly Key[]): Promise<[string, Same][]> {
  const rows = await selectSame(db, keys)
  return rows.map(({ number, record, name_key, book_key }) => [
    keyOf({ name: name_key, book: book_key }),
    { ...JSON.parse(record), number }
  ])
}

const selectIdentifiers = new Map(
  SCHEMES.map((scheme) => [
    scheme,
    lookUp<{ value: string }>()((db, values) =>
      db
        .selectFrom('authors')
        .select(scheme)
        .where(
          scheme,
          'in',
          values.map(({ value }) => value)
        )
    )
  ])
)

/** The identifiers of these that an author has, each after its scheme. */
export async function findTakenIdentifiers(db: ReadDb, contents: readonly Content[]): Promise<string[]> {
  const taken: string[] = []
  for (const [scheme, select] of selectIdentifiers) {
    const values = contents.flatMap(({ identifiers }) => identifiers[scheme] ?? [])
    const rows: Partial<Record<Scheme, string | null>>[] = await select(
      db,
      values.map((value) => ({ value }))
    )
    for (const row of rows) taken.push(`${scheme} ${row[scheme]}`)
  }
  return taken
}

const selectSlugs = lookUp<{ slug: string }>()((db, rows) =>
  db
    .selectFrom('authors')
    .select('slug')
    .where(
      'slug',
      'in',
      rows.map(({ slug }) => slug)
    )
)

export async function findTakenSlugs(db: ReadDb, slugs: readonly string[]): Promise<string[]> {
  const found = await selectSlugs(
    db,
    slugs.map((slug) => ({ slug }))
  )
  return found.map(({ slug }) => slug)
}
