import type { GeneratedAlways, Insertable } from 'kysely'
import { fold, foldText } from '../text.ts'

/** An author's JSON, and beside it what authors are found, ordered and told apart by. */
export interface AuthorsTable {
  /**
   * By which everything inside refers to the author; never on the wire. It is the sequence number of the change that created the
   * author, so no other author ever gets it, and the order of numbers is the order of creation.
   */
  number: number
  /** UUIDv7, in the same order. */
  id: string
  slug: string
  /** 0 or 1. */
  booker_prize: number
  birth_year: number | null
  viaf: string | null
  isni: string | null
  wikidata: string | null
  openlibrary: string | null
  /** Null once the owner is gone. */
  owner_number: number | null
  version: number
  updated_at: string
  /** The name and the book as they are compared: see `foldText`. Together they are unique; an unknown book is ''. */
  name_key: string
  book_key: string
  /** The same of the name to sort by; null where none is given. */
  sort_key: string | null
  /** The author as the API shows it, as JSON: making that for each reader took most of the time of a page. */
  record: string
  /** What the record has of these, computed as it is read. */
  name: GeneratedAlways<string>
  sort_name: GeneratedAlways<string | null>
  book: GeneratedAlways<string | null>
  country: GeneratedAlways<string | null>
  death_year: GeneratedAlways<number | null>
  note: GeneratedAlways<string | null>
  created_at: GeneratedAlways<string>
  /** The year of birth, or `UNKNOWN_YEAR`, so that every author has a place in that order. */
  birth_key: GeneratedAlways<number>
  /** What authors are in the order of names by: the sort key, or the name as it is compared. */
  name_order: GeneratedAlways<string>
}

declare module '../tables.ts' {
  interface Tables {
    authors: AuthorsTable
  }
}

/** A row as it is written. */
export type AuthorRow = Insertable<AuthorsTable>

/** Later than any year, so that authors whose birth is unknown come last. */
export const UNKNOWN_YEAR = 9999

export const SCHEMES = ['viaf', 'isni', 'wikidata', 'openlibrary'] as const
export type Scheme = (typeof SCHEMES)[number]

/** What a user may write of an author; what is left out is false or null, which means unknown. */
export interface AuthorContent {
  name: string
  sort_name?: string | null
  book?: string | null
  country?: string | null
  booker_prize?: boolean
  birth_year?: number | null
  death_year?: number | null
  identifiers?: Partial<Record<Scheme, string | null>>
  note?: string | null
}

/** An author as the API shows it. */
export interface AuthorRecord extends Required<AuthorContent> {
  id: string
  slug: string
  identifiers: Record<Scheme, string | null>
  owner_id: string | null
  version: number
  created_at: string
  updated_at: string
}

/** By which the row of an author refers to others and is referred to. */
export interface Numbers {
  number: number
  owner_number: number | null
}

/** The columns of a row that are written. */
export const AUTHOR_COLUMNS = [
  'number',
  'id',
  'slug',
  'booker_prize',
  'birth_year',
  ...SCHEMES,
  'owner_number',
  'version',
  'updated_at',
  'name_key',
  'book_key',
  'sort_key',
  'record'
] as const

/** A record as an author's JSON has it; one from before there were sort names has none. */
export function parseRecord(json: string): AuthorRecord {
  const record = JSON.parse(json)
  return 'sort_name' in record ? record : { ...record, sort_name: null }
}

/** What an author is told apart by. */
export function keysOf({ name, book }: Pick<AuthorRecord, 'name' | 'book'>) {
  return { name_key: foldText(name), book_key: foldText(book ?? '') }
}

/** A record as a row; `folded` are its texts. */
export function toRow(
  author: AuthorRecord,
  numbers: Numbers,
  folded: FoldedTexts = foldTexts(author)
): AuthorRow {
  return { ...toColumns(author, numbers, folded), record: JSON.stringify(author) }
}

/** What a row has beside the record. */
export function toColumns(author: AuthorRecord, { number, owner_number }: Numbers, folded: FoldedTexts) {
  const { id, slug, booker_prize, birth_year, identifiers, version, updated_at } = author
  return {
    number,
    id,
    slug,
    booker_prize: booker_prize ? 1 : 0,
    birth_year,
    ...identifiers,
    owner_number,
    version,
    updated_at,
    name_key: folded.name,
    book_key: folded.book,
    sort_key: folded.sort_name
  }
}

const FOLDED = ['name', 'sort_name', 'book', 'country'] as const

/** The texts of an author as they are compared; an unknown book is like any other. */
export interface FoldedTexts {
  name: string
  book: string
  country: string | null
  sort_name: string | null
  /** What some of their words also have as their beginning: see `Folded`. */
  endings: string[]
}

export function foldTexts(author: Pick<AuthorContent, (typeof FOLDED)[number]>): FoldedTexts {
  const name = fold(author.name)
  const book = fold(author.book ?? '')
  const country = fold(author.country ?? '')
  const sortName = fold(author.sort_name ?? '')
  return {
    name: name.key,
    book: book.key,
    country: author.country == null ? null : country.key,
    sort_name: author.sort_name == null ? null : sortName.key,
    endings: [name, book, country, sortName].flatMap(({ endings }) => endings)
  }
}

/** Whether their texts fold to the same without being folded, which takes longer than to compare them. */
export function haveSameTexts(one: AuthorRecord, other: AuthorRecord): boolean {
  return FOLDED.every((text) => one[text] === other[text])
}

/** The content with false and null for what is left out. */
export function completed(content: AuthorContent) {
  const { viaf = null, isni = null, wikidata = null, openlibrary = null } = content.identifiers ?? {}
  return {
    name: content.name,
    sort_name: content.sort_name ?? null,
    book: content.book ?? null,
    country: content.country ?? null,
    booker_prize: content.booker_prize ?? false,
    birth_year: content.birth_year ?? null,
    death_year: content.death_year ?? null,
    identifiers: { viaf, isni, wikidata, openlibrary },
    note: content.note ?? null
  }
}
