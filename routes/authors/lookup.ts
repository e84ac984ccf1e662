import { findAuthor, findAuthorId, findAuthorText } from '../../db/authors/reading.ts'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { findVersion } from '../../db/changes.ts'
import type { Db } from '../../db/database.ts'
import { AuthorNotFound, NotOwner, VersionNotFound } from '../../schemas/errors.ts'
import { etagOf } from './preconditions.ts'

interface User {
  id: string
  role: string
}

/** Throws `AuthorNotFound`. */
export async function getAuthor(db: Db, idOrSlug: string): Promise<AuthorRecord> {
  const author = await findAuthor(db, idOrSlug)
  if (author === undefined) throw new AuthorNotFound(idOrSlug)
  return author
}

/** The author as it is sent. Throws `AuthorNotFound`. */
export async function getAuthorAnswer(db: Db, idOrSlug: string) {
  const author = await findAuthorText(db, idOrSlug)
  if (author === undefined) throw new AuthorNotFound(idOrSlug)
  const { id, slug, record: body } = author
  return { id, slug, etag: etagOf(author), body }
}

/** The id of an author, also of one that was deleted. Throws `AuthorNotFound`. */
export async function getAuthorId(db: Db, idOrSlug: string): Promise<string> {
  const id = await findAuthorId(db, idOrSlug)
  if (id === undefined) throw new AuthorNotFound(idOrSlug)
  return id
}

/** Throws `AuthorNotFound` or `VersionNotFound`. */
export async function getVersion(db: Db, idOrSlug: string, version: number): Promise<AuthorRecord> {
  const author = await findVersion(db, await getAuthorId(db, idOrSlug), version)
  if (author == null) throw new VersionNotFound(idOrSlug, version)
  return author
}

/** The author, if this user may change it. Throws `AuthorNotFound` or `NotOwner`. */
export async function getEditableAuthor(db: Db, idOrSlug: string, user: User): Promise<AuthorRecord> {
  const author = await getAuthor(db, idOrSlug)
  refuseStranger(author, user)
  return author
}

/** Throws `NotOwner` unless the user owns the author or is an admin. */
export function refuseStranger(author: { owner_id: string | null }, user: User): void {
  if (author.owner_id !== user.id && user.role !== 'admin') throw new NotOwner()
}
