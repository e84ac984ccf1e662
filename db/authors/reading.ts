import { findDeletedBySlug, findLastChange } from '../changes.ts'
import { compiledOnce } from '../compiled.ts'
import type { ReadDb } from '../database.ts'
import { foldSlug, isUuid } from '../text.ts'
import { type AuthorRecord, RECORD_COLUMNS, toAuthor } from './table.ts'

const selectTextBy = (column: 'id' | 'slug') =>
  compiledOnce<{ key: string }>()((db, { key }) =>
    db.selectFrom('authors').select(['id', 'slug', 'version', 'record']).where(column, '=', key)
  )
const [selectTextById, selectTextBySlug] = [selectTextBy('id'), selectTextBy('slug')]

/** The author with this id or slug, in upper or lower case, as JSON, with what it is named and versioned by. */
export async function findAuthorText(db: ReadDb, idOrSlug: string) {
  const key = foldSlug(idOrSlug)
  const { rows } = await (isUuid(key) ? selectTextById : selectTextBySlug)(db, { key })
  return rows[0]
}

/** The author with this id or slug, in upper or lower case. */
export async function findAuthor(db: ReadDb, idOrSlug: string): Promise<AuthorRecord | undefined> {
  const text = await findAuthorText(db, idOrSlug)
  return text && JSON.parse(text.record)
}

/** The id of the author with this id or slug, whether it is there or was deleted. */
export async function findAuthorId(db: ReadDb, idOrSlug: string): Promise<string | undefined> {
  const author = await findAuthorText(db, idOrSlug)
  if (author !== undefined) return author.id
  const key = foldSlug(idOrSlug)
  if (!isUuid(key)) return findDeletedBySlug(db, key)
  return (await findLastChange(db, key))?.author_id
}

/** Up to `limit` authors after the id `after`, oldest first. */
export async function listAuthorsAfter(
  db: ReadDb,
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
