import { type AuthorContent, findAuthorByNameAndBook } from '../../db/authors.ts'
import type { Db } from '../../db/database.ts'
import { violatedUnique } from '../../db/dialect.ts'
import { AuthorExists, IdentifierTaken, ValidationFailed, withExtras } from '../../schemas/errors.ts'

/** Throws `ValidationFailed` when the death comes before the birth. */
export function refuseImpossibleLife({ birth_year, death_year }: AuthorContent): void {
  if (birth_year == null || death_year == null || death_year >= birth_year) return
  const errors = [{ pointer: '/death_year', detail: `must not be before birth_year, which is ${birth_year}` }]
  throw withExtras(new ValidationFailed(), { errors })
}

/** Does the write, and tells a broken uniqueness as `AuthorExists` (with the other's address) or `IdentifierTaken`. */
export async function telling<T>(db: Db, content: AuthorContent, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const violated = violatedUnique(error)
    if (violated === undefined) throw error
    if (violated !== 'authors.name_key, authors.book_key')
      throw new IdentifierTaken(violated.replace('authors.', ''))
    const other = await findAuthorByNameAndBook(db, content)
    throw new AuthorExists(
      other === undefined ? 'it was just deleted' : `/authors/${encodeURIComponent(other.slug)}`
    )
  }
}
