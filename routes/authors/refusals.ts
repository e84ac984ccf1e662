import { findAuthorByNameAndBook } from '../../db/authors/reading.ts'
import type { AuthorContent } from '../../db/authors/table.ts'
import type { Db } from '../../db/database.ts'
import { violatedUnique } from '../../db/dialect.ts'
import { impossibleLife } from '../../schemas/authors.ts'
import { AuthorExists, IdentifierTaken, ValidationFailed, withExtras } from '../../schemas/errors.ts'

/** Where an author is. */
export function addressOf({ slug }: { slug: string }): string {
  return `/authors/${encodeURIComponent(slug)}`
}

/** Throws `ValidationFailed` when the death comes before the birth. */
export function refuseImpossibleLife(content: AuthorContent): void {
  const error = impossibleLife(content)
  if (error !== undefined) throw withExtras(new ValidationFailed(), { errors: [error] })
}

/**
 * Does the write, and tells a broken uniqueness as `AuthorExists` (with the other's address) or `IdentifierTaken`; `contentOf`
 * gives what was to be written.
 */
export async function telling<T>(
  db: Db,
  contentOf: () => AuthorContent,
  write: () => Promise<T>
): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const violated = violatedUnique(error)
    if (violated === undefined) throw error
    if (violated !== 'authors.name_key, authors.book_key')
      throw new IdentifierTaken(violated.replace('authors.', ''))
    const other = await findAuthorByNameAndBook(db, contentOf())
    throw new AuthorExists(other === undefined ? 'it was just deleted' : addressOf(other))
  }
}
