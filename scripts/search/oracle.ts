/** The authors as the log of changes tells of them, and a plain scan through them: no index, no plan, nothing to be clever about. */
import { type AuthorRecord, SCHEMES, UNKNOWN_YEAR } from '../../db/authors/table.ts'
import { foldText, indexedWordsOf, wordsOf } from '../../db/text.ts'
import type { Question } from './question.ts'

/** What the log says of a change. */
export interface Change {
  sequence: number
  author_id: string
  record: AuthorRecord | null
}

interface Entry {
  record: AuthorRecord
  words: string[]
  country: string | null
  /** The folded name, or the one to sort by, so that JavaScript compares it as the bytes of its UTF-8. */
  name: string
}

export class Oracle {
  readonly #entries = new Map<string, Entry>()

  /** All authors, the oldest first. */
  get authors(): AuthorRecord[] {
    return [...this.#entries.values()].map(({ record }) => record).sort(by(({ id }) => id))
  }

  learn({ author_id, record }: Change): void {
    if (record === null) this.#entries.delete(author_id)
    else this.#entries.set(author_id, toEntry(record))
  }

  /** All authors that fulfil the question, in its order; `userId` asks. */
  answer(question: Question, userId: string): AuthorRecord[] {
    const parts = wordsOf(question.q ?? '')
    const country = question.country === undefined ? undefined : foldText(question.country)
    const owner = question.owner === 'me' ? userId : question.owner
    const from = question['birth_year.gte'] ?? Number.NEGATIVE_INFINITY
    const to = question['birth_year.lte'] ?? Number.POSITIVE_INFINITY
    const asksBirth = question['birth_year.gte'] !== undefined || question['birth_year.lte'] !== undefined
    const found = [...this.#entries.values()].filter(({ record, words, country: has }) => {
      const { birth_year, booker_prize, owner_id, identifiers } = record
      return (
        parts.every((part) => words.some((word) => word.startsWith(part))) &&
        (country === undefined || has === country) &&
        (owner === undefined || owner_id === owner) &&
        (question.booker_prize === undefined || booker_prize === question.booker_prize) &&
        (!asksBirth || (birth_year !== null && birth_year >= from && birth_year <= to)) &&
        SCHEMES.every((scheme) => [undefined, identifiers[scheme]].includes(question[`identifier.${scheme}`]))
      )
    })
    return inOrder(found, question.sort ?? '-created_at').map(({ record }) => record)
  }
}

function toEntry(record: AuthorRecord): Entry {
  return {
    record,
    words: indexedWordsOf(record.name, record.book ?? '', record.country ?? '', record.sort_name ?? ''),
    country: record.country === null ? null : foldText(record.country),
    name: Buffer.from(foldText(record.sort_name ?? record.name)).toString('latin1')
  }
}

const KEYS: Record<string, (entry: Entry) => string | number> = {
  name: ({ name }) => name,
  created_at: ({ record }) => record.id,
  updated_at: ({ record }) => record.updated_at,
  birth_year: ({ record }) => record.birth_year ?? UNKNOWN_YEAR
}

function inOrder(entries: Entry[], sort: string): Entry[] {
  const key = KEYS[sort.replace('-', '')] as (entry: Entry) => string | number
  const byKey = by(key)
  const byId = by(({ record }: Entry) => record.id)
  const ascending = entries.sort((a, b) => byKey(a, b) || byId(a, b))
  return sort.startsWith('-') ? ascending.reverse() : ascending
}

function by<T>(key: (one: T) => string | number): (a: T, b: T) => number {
  return (a, b) => {
    const [left, right] = [key(a), key(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }
}
