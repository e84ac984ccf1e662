import { findDeletedBySlug, findLastChange } from '../changes.ts'
import { compiledOnce } from '../compiled.ts'
import type { Db } from '../database.ts'
import { foldSlug, foldText, isUuid } from '../text.ts'
import { type AuthorRecord, RECORD_COLUMNS, toAuthor } from './table.ts'

const selectTextBy = (column: 'id' | 'slug') =>
  compiledOnce((db) =>
    db.selectFrom('authors').select(['id', 'slug', 'version', 'record']).where(column, '=', 'the id or slug')
  )
const [selectTextById, selectTextBySlug] = [selectTextBy('id'), selectTextBy('slug')]

/** The author with this id or slug, in upper or lower case, as JSON, with what it is named and versioned by. */
export async function findAuthorText(db: Db, idOrSlug: string) {
  const key = foldSlug(idOrSlug)
  const { rows } = await (isUuid(key) ? selectTextById : selectTextBySlug)(db, [key])
  return rows[0]
}

/** The author with this id or slug, in upper or lower case. */
export async function findAuthor(db: Db, idOrSlug: string): Promise<AuthorRecord | undefined> {
  const key = foldSlug(idOrSlug)
  const row = await db
    .selectFrom('authors')
    .select(RECORD_COLUMNS)
    .where(isUuid(key) ? 'id' : 'slug', '=', key)
    .executeTakeFirst()
  return row && toAuthor(row)
}

/** The id of the author with this id or slug, whether it is there or was deleted. */
export async function findAuthorId(db: Db, idOrSlug: string): Promise<string | undefined> {
  const author = await findAuthor(db, idOrSlug)
  if (author !== undefined) return author.id
  const key = foldSlug(idOrSlug)
  if (!isUuid(key)) return findDeletedBySlug(db, key)
  return (await findLastChange(db, key))?.author_id
}

/** The author with the same folded name and book. */
export async function findAuthorByNameAndBook(db: Db, { name, book }: { name: string; book: string }) {
  return db
    .selectFrom('authors')
    .select(['id', 'slug'])
    .where('name_key', '=', foldText(name))
    .where('book_key', '=', foldText(book))
    .executeTakeFirst()
}

/** Up to `limit` authors after the id `after`, oldest first. */
export async function listAuthorsAfter(
  db: Db,
  { limit, after }: { limit: number; after: string }
): Promise<AuthorRecord[]> {
  const rows = await db
    .selectFrom('authors')
    .select(RECORD_COLUMNS)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(toAuthor)
}
