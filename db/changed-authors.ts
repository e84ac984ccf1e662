import { sql } from 'kysely'
import { compiledOnce } from './compiled.ts'
import type { ReadDb } from './tables.ts'

/** That an author has changed, and what it is now, as JSON; null once it is deleted. */
export interface AuthorChange {
  sequence: number
  number: number
  author_id: string
  record: string | null
}

/** The id of the author of the change, who may be deleted. */
const AUTHOR_ID = sql<string>`coalesce(authors.id, (
  select deleted_id from changes as deletion
  where deletion.author_number = changes.author_number and deletion.deleted_id is not null limit 1
))`

const selectChangedAuthors = compiledOnce<{ after: number; limit: number }>()((db, { after, limit }) =>
  db
    .selectFrom('changes')
    .leftJoin('authors', 'authors.number', 'changes.author_number')
    .select(['sequence', 'author_number as number', AUTHOR_ID.as('author_id'), 'record'])
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
)

/** Which authors changed after the sequence number `after`, and what they are now; up to `limit` changes, in order. */
export async function listChangedAuthors(
  db: ReadDb,
  bounds: { limit: number; after: number }
): Promise<AuthorChange[]> {
  return (await selectChangedAuthors(db, bounds)).rows
}
