/** What the service must answer, worked out from the change log alone, without any of its queries. */
import type { AuthorRecord } from '../../../db/authors/table.ts'
import { foldText, indexedWordsOf, wordsOf } from '../../../db/text.ts'

export interface Change {
  sequence: number
  author_id: string
  version: number
  /** JSON; null when it was deleted. */
  record: string | null
  deleted_slug: string | null
}

type Catalogue = Map<string, AuthorRecord>

/** The catalogue as it was after so many changes. */
export interface Moment {
  changes: Change[]
  authors: Catalogue
}

/** The moment after one more change. */
export function momentAfter({ changes, authors }: Moment, change: Change): Moment {
  const changed = new Map(authors)
  if (change.record === null) changed.delete(change.author_id)
  else changed.set(change.author_id, JSON.parse(change.record))
  return { changes: [...changes, change], authors: changed }
}

export function authorNamed({ authors }: Moment, idOrSlug: string): AuthorRecord | undefined {
  const key = idOrSlug.toLowerCase()
  return authors.get(key) ?? [...authors.values()].find(({ slug }) => slug === key)
}

/** The JSON of a version of the author that is, or else was last, named so. */
export function versionNamed(moment: Moment, idOrSlug: string, version: number): string | undefined {
  const key = idOrSlug.toLowerCase()
  const { changes } = moment
  const id =
    authorNamed(moment, key)?.id ??
    changes.findLast((change) => change.author_id === key || change.deleted_slug === key)?.author_id
  return changes.find((change) => change.author_id === id && change.version === version)?.record ?? undefined
}

type Position = (string | number)[]

export interface Page {
  data: AuthorRecord[]
  /** The position at which the next page begins. */
  next: Position | null
  total?: number
}

export function pageOf({ authors }: Moment, query: URLSearchParams, userId: string): Page {
  const sort = query.get('sort') ?? '-created_at'
  const key = keyOf(sort.replace('-', ''))
  const direction = sort.startsWith('-') ? -1 : 1
  const limit = Number(query.get('limit') ?? 20)
  const matching = [...authors.values()].filter((author) => fits(author, query, userId))
  const sorted = matching.sort((a, b) => direction * compare(key(a), key(b)))
  const after = positionIn(query.get('cursor'))
  const rest =
    after === null ? sorted : sorted.filter((author) => direction * compare(key(author), after) > 0)
  const data = rest.slice(0, limit)
  const last = rest.length > limit ? data.at(-1) : undefined
  return {
    data,
    next: last === undefined ? null : key(last),
    ...(query.get('count') === 'true' && { total: matching.length })
  }
}

/** A cursor is a checksum of six bytes and the position as JSON. */
export function positionIn(cursor: string | null): Position | null {
  return cursor === null ? null : JSON.parse(Buffer.from(cursor, 'base64url').subarray(6).toString())
}

function keyOf(by: string): (author: AuthorRecord) => Position {
  if (by === 'name') return ({ name, sort_name, id }) => [foldText(sort_name ?? name), id]
  if (by === 'updated_at') return ({ updated_at, id }) => [updated_at, id]
  if (by === 'birth_year') return ({ birth_year, id }) => [birth_year ?? 9999, id]
  return ({ id }) => [id]
}

function compare(a: Position, b: Position): number {
  const index = a.findIndex((value, i) => value !== b[i])
  if (index === -1) return 0
  return (a[index] as string) < (b[index] as string) ? -1 : 1
}

function fits(author: AuthorRecord, query: URLSearchParams, userId: string): boolean {
  const { name, sort_name, book, country, owner_id, booker_prize, birth_year } = author
  const owner = query.get('owner')?.replace('me', userId)
  const words = indexedWordsOf(name, sort_name ?? '', book ?? '', country ?? '')
  const year = birth_year ?? Number.NaN
  return (
    (owner === undefined || owner === owner_id) &&
    (!query.has('country') || isOf(country, query.get('country') as string)) &&
    (!query.has('booker_prize') || query.get('booker_prize') === String(booker_prize)) &&
    (!query.has('birth_year.gte') || year >= Number(query.get('birth_year.gte'))) &&
    (!query.has('birth_year.lte') || year <= Number(query.get('birth_year.lte'))) &&
    wordsOf(query.get('q') ?? '').every((prefix) => words.some((word) => word.startsWith(prefix)))
  )
}

function isOf(country: string | null, sought: string): boolean {
  return country !== null && foldText(country) === foldText(sought)
}
