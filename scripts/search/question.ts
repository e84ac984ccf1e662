/** What may be asked of the list of authors. */
export interface Question {
  q?: string
  country?: string
  booker_prize?: boolean
  'birth_year.gte'?: number
  'birth_year.lte'?: number
  /** The id of a user, or `me`. */
  owner?: string
  'identifier.viaf'?: string
  'identifier.isni'?: string
  'identifier.wikidata'?: string
  'identifier.openlibrary'?: string
  sort?: Sort
  count?: boolean
}

export const SORTS = [
  'name',
  '-name',
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
  'birth_year',
  '-birth_year'
] as const
export type Sort = (typeof SORTS)[number]

/** The question as an address. */
export function addressOf(question: Question, limit: number): string {
  const parameters = Object.entries({ ...question, limit }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]]
  )
  return `/authors?${new URLSearchParams(parameters)}`
}
