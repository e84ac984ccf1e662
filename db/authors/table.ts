import type { Insertable, Selectable } from 'kysely'
import { foldText, wordsOf } from '../text.ts'

export interface AuthorsTable {
  /** UUIDv7, so that the order of ids is the order of creation. */
  id: string
  slug: string
  name: string
  book: string
  country: string
  /** 0 or 1. */
  booker_prize: number
  birth_year: number | null
  death_year: number | null
  viaf: string | null
  isni: string | null
  wikidata: string | null
  openlibrary: string | null
  note: string | null
  /** Null once the owner is gone. */
  owner_id: string | null
  version: number
  created_at: string
  updated_at: string
  /** The name and the book as they are compared: see `foldText`. Together they are unique. */
  name_key: string
  book_key: string
  country_key: string
  /** The year of birth, or `UNKNOWN_YEAR`, so that every author has a place in that order. */
  birth_key: number
  /** The words of name, book and country by which the author is found, each after a space: see `wordsOf`. */
  words: string
  /** The author as the API shows it, as JSON: making that for each reader took most of the time of a page. */
  record: string
}

/** A row as it is written. */
export type AuthorRow = Insertable<AuthorsTable>

/** Later than any year, so that authors whose birth is unknown come last. */
export const UNKNOWN_YEAR = 9999

export const SCHEMES = ['viaf', 'isni', 'wikidata', 'openlibrary'] as const
export type Scheme = (typeof SCHEMES)[number]

/** What a user may write of an author; what is left out is false or null. */
export interface AuthorContent {
  name: string
  book: string
  country: string
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

/** The columns that a record is made of. */
export const RECORD_COLUMNS = [
  'id',
  'slug',
  'name',
  'book',
  'country',
  'booker_prize',
  'birth_year',
  'death_year',
  'viaf',
  'isni',
  'wikidata',
  'openlibrary',
  'note',
  'owner_id',
  'version',
  'created_at',
  'updated_at'
] as const

type RecordRow = Pick<Selectable<AuthorsTable>, (typeof RECORD_COLUMNS)[number]>

/** A row as a record. */
export function toAuthor(row: RecordRow): AuthorRecord {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    book: row.book,
    country: row.country,
    booker_prize: row.booker_prize === 1,
    birth_year: row.birth_year,
    death_year: row.death_year,
    identifiers: { viaf: row.viaf, isni: row.isni, wikidata: row.wikidata, openlibrary: row.openlibrary },
    note: row.note,
    owner_id: row.owner_id,
    version: row.version,
    created_at: row.created_at,
    updated_at: row.updated_at
  }
}

/** A record as a row, with the keys by which it is compared and found. */
export function toRow(record: AuthorRecord): AuthorRow {
  const { identifiers, booker_prize, ...author } = record
  return {
    ...author,
    ...identifiers,
    booker_prize: booker_prize ? 1 : 0,
    name_key: foldText(author.name),
    book_key: foldText(author.book),
    country_key: foldText(author.country),
    birth_key: author.birth_year ?? UNKNOWN_YEAR,
    words: wordsOf(author.name, author.book, author.country)
      .map((word) => ` ${word}`)
      .join(''),
    record: JSON.stringify(record)
  }
}

/** The content with false and null for what is left out. */
export function completed(content: AuthorContent) {
  const { viaf = null, isni = null, wikidata = null, openlibrary = null } = content.identifiers ?? {}
  return {
    name: content.name,
    book: content.book,
    country: content.country,
    booker_prize: content.booker_prize ?? false,
    birth_year: content.birth_year ?? null,
    death_year: content.death_year ?? null,
    identifiers: { viaf, isni, wikidata, openlibrary },
    note: content.note ?? null
  }
}
