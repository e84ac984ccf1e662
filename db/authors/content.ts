import { Problem } from '../problems.ts'
import type { AuthorContent, AuthorRecord } from './table.ts'

/** A merge patch (RFC 7396): what is left out stays, null goes back to false or null. */
export interface AuthorPatch extends Omit<Partial<AuthorContent>, 'booker_prize' | 'identifiers'> {
  booker_prize?: boolean | null
  identifiers?: AuthorContent['identifiers'] | null
}

type Life = Pick<AuthorContent, 'birth_year' | 'death_year'>

/** What is wrong when the death comes before the birth. */
export function impossibleLife({ birth_year, death_year }: Life) {
  if (birth_year == null || death_year == null || death_year >= birth_year) return undefined
  return { pointer: '/death_year', detail: `must not be before birth_year, which is ${birth_year}` }
}

/** Throws `VALIDATION_FAILED` when the death comes before the birth. */
export function assertPossibleLife(life: Life): void {
  const error = impossibleLife(life)
  if (error !== undefined) throw new Problem('VALIDATION_FAILED', [], { errors: [error] })
}

/** The content that a patch makes of an author's. */
export function patchContent(current: AuthorRecord, patch: AuthorPatch): AuthorContent {
  const { booker_prize = current.booker_prize, identifiers, ...rest } = patch
  return {
    ...contentOf(current),
    ...rest,
    booker_prize: booker_prize ?? false,
    identifiers: identifiers === null ? {} : { ...current.identifiers, ...identifiers }
  }
}

function contentOf({ name, sort_name, book, country, birth_year, death_year, note }: AuthorRecord) {
  return { name, sort_name, book, country, birth_year, death_year, note }
}
