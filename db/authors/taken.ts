/** What is in a catalogue already of what an import, or several creates together, would make. */
import { type SelectQueryBuilder, sql } from 'kysely'
import { lookUp, lookUpEach } from '../look-up-many.ts'
import type { Db, ReadDb, Tables } from '../tables.ts'
import type { Same } from './importing.ts'
import type { PreparedRow } from './prepared-row.ts'
import type { StagedDb } from './staged-tables.ts'
import { type FoldedTexts, SCHEMES, type Scheme } from './table.ts'

type Key = Pick<FoldedTexts, 'name' | 'book'>

/** What no two authors have in common. */
export function keyOf({ name, book }: Key): string {
  return `${name}\n${book}`
}

/** Of those who have an identifier the folded name, which is one, and where the first of them is: in a file, or in the catalogue. */
export interface Holder {
  name: string
  line?: number | undefined
  slug?: string | undefined
}

type Identified = Pick<PreparedRow, 'identifiers'>

/** Each after its scheme. */
export function identifiersOf({ identifiers }: Identified): string[] {
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

/** Of each value one author at most: as many as there are would have to be read for one that many share. */
const selectHolders = lookUpHolders((db, scheme, value) =>
  db
    .selectFrom('authors')
    .select([sql.ref<string>(scheme).as('identifier'), 'name_key', 'slug as place'])
    .where(scheme, '=', value)
    .limit(1)
)

const selectStagedHolders = lookUpHolders((db, scheme, value) =>
  (db as unknown as StagedDb)
    .selectFrom('authors')
    .select([sql.ref<string>(scheme).as('identifier'), 'name_key', sql<string>`line`.as('place')])
    .where(scheme, '=', value)
    .limit(1)
)

interface FoundHolder {
  identifier: string
  name_key: string
  place: string
}

type SelectHolder = (
  db: Db,
  scheme: Scheme,
  value: string
) => Pick<SelectQueryBuilder<Tables, never, FoundHolder>, 'as'>

function lookUpHolders(select: SelectHolder) {
  return SCHEMES.map((scheme) => ({
    scheme,
    find: lookUpEach<{ value: string }>()((db, { value }) => select(db, scheme, value))
  }))
}

/** By each identifier of these, after its scheme, one of the authors that have it. */
export function findHolders(db: ReadDb, rows: readonly Identified[]): Promise<[string, Holder][]> {
  return collectHolders(selectHolders, db, rows, (slug) => ({ slug }))
}

/** The same of the rows of a file. */
export function findStagedHolders(staged: ReadDb, rows: readonly Identified[]): Promise<[string, Holder][]> {
  return collectHolders(selectStagedHolders, staged, rows, (line) => ({ line: Number(line) }))
}

async function collectHolders(
  select: typeof selectHolders,
  db: ReadDb,
  rows: readonly Identified[],
  at: (place: string) => Omit<Holder, 'name'>
): Promise<[string, Holder][]> {
  const found = select.map(async ({ scheme, find }): Promise<[string, Holder][]> => {
    const values = new Set(rows.flatMap(({ identifiers }) => identifiers[scheme] ?? []))
    const holders = await find(
      db,
      [...values].map((value) => ({ value }))
    )
    return holders.map(({ identifier, name_key, place }) => [
      `${scheme} ${identifier}`,
      { name: name_key, ...at(place) }
    ])
  })
  return (await Promise.all(found)).flat()
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
