import { findAuthor, findAuthorNumber } from '../../db/authors/reading.ts'
import { etagOf } from '../../db/authors/representation.ts'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { findVersion } from '../../db/changes.ts'
import { findLastVersion } from '../../db/last-versions.ts'
import type { ReadDb } from '../../db/tables.ts'
import { AuthorNotFound, VersionNotFound, VersionPurged } from '../../schemas/errors.ts'

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

/** Throws `AuthorNotFound`, `VersionNotFound` or `VersionPurged`. */
export async function getVersion(db: ReadDb, idOrSlug: string, version: number): Promise<AuthorRecord> {
  const number = await getAuthorNumber(db, idOrSlug)
  const author = await findVersion(db, number, version)
  if (author != null) return author
  const last = await findLastVersion(db, number)
  const wasLetGo = author === undefined && version < (last?.version ?? 0)
  throw wasLetGo ? new VersionPurged(idOrSlug, version) : new VersionNotFound(idOrSlug, version)
}
