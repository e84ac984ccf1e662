import { compiledOnce } from '../compiled.ts'
import { findDeletedNumber } from '../last-versions.ts'
import type { ReadDb } from '../tables.ts'
import { foldSlug, isUuid } from '../text.ts'
import type { AuthorRecord, Numbers } from './table.ts'

/** An author as it is stored, by what it is named and versioned. */
export interface StoredAuthor extends Numbers {
  id: string
  slug: string
  version: number
  /** As JSON. */
  record: string
}

const selectBy = (column: 'id' | 'slug') =>
  compiledOnce<{ key: string }>()((db, { key }) =>
    db
      .selectFrom('authors')
      .select(['number', 'owner_number', 'id', 'slug', 'version', 'record'])
      .where(column, '=', key)
  )
const [selectById, selectBySlug] = [selectBy('id'), selectBy('slug')]

/** The author with this id or slug, in upper or lower case. */
export async function findAuthor(db: ReadDb, idOrSlug: string): Promise<StoredAuthor | undefined> {
  const key = foldSlug(idOrSlug)
  const { rows } = await (isUuid(key) ? selectById : selectBySlug)(db, { key })
  return rows[0]
}

/** The number of the author with this id or slug, whether it is there or was deleted. */
export async function findAuthorNumber(db: ReadDb, idOrSlug: string): Promise<number | undefined> {
  const author = await findAuthor(db, idOrSlug)
  if (author !== undefined) return author.number
  const key = foldSlug(idOrSlug)
  return findDeletedNumber(db, isUuid(key) ? 'deleted_id' : 'deleted_slug', key)
}

/** Up to `limit` authors after the number `after`, oldest first. */
export async function listAuthorsAfter(
  db: ReadDb,
  { limit, after }: { limit: number; after: number }
): Promise<{ number: number; author: AuthorRecord }[]> {
  const rows = await db
    .selectFrom('authors')
    .select(['number', 'record'])
    .where('number', '>', after)
    .orderBy('number')
    .limit(limit)
    .execute()
  return rows.map(({ number, record }) => ({ number, author: JSON.parse(record) }))
}
