import { findAuthor, findAuthorNumber } from '../../db/authors/reading.ts'
import { etagOf } from '../../db/authors/representation.ts'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { findVersion } from '../../db/changes.ts'
import type { ReadDb } from '../../db/tables.ts'
import { AuthorNotFound, VersionNotFound } from '../../schemas/errors.ts'

/** The author as it is sent. Throws `AuthorNotFound`. */
export async function getAuthorAnswer(db: ReadDb, idOrSlug: string) {
  const author = await findAuthor(db, idOrSlug)
  if (author === undefined) throw new AuthorNotFound(idOrSlug)
  const { id, slug, record: body } = author
  return { id, slug, etag: etagOf(author), body }
}

/** The number of an author, also of one that was deleted. Throws `AuthorNotFound`. */
export async function getAuthorNumber(db: ReadDb, idOrSlug: string): Promise<number> {
  const number = await findAuthorNumber(db, idOrSlug)
  if (number === undefined) throw new AuthorNotFound(idOrSlug)
  return number
}

/** Throws `AuthorNotFound` or `VersionNotFound`. */
export async function getVersion(db: ReadDb, idOrSlug: string, version: number): Promise<AuthorRecord> {
  const author = await findVersion(db, await getAuthorNumber(db, idOrSlug), version)
  if (author == null) throw new VersionNotFound(idOrSlug, version)
  return author
}
