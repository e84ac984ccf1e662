import { type NotNull, sql } from 'kysely'
import { type AuthorRecord, parseRecord } from './authors/table.ts'
import type { ReadDb } from './tables.ts'
import { idOfUser } from './user-numbers.ts'

/** An author as it was before it was deleted, and by whom and when that was done. */
export interface DeletedAuthor extends AuthorRecord {
  deleted_at: string
  deleted_by: string | null
}

/** What was purged has no name. A quotation mark within a text has a backslash before it. */
const IS_WHOLE = '%"name":%'

/** A literal, since a partial index is not taken for a value that comes later. */
const DELETED = sql.lit('deleted' as const)

/** Up to `limit` authors that are deleted and can be restored, the last deletion first, those before the sequence number `before`. */
export async function listDeletedAuthors(
  db: ReadDb,
  { limit, before }: { limit: number; before: number | undefined }
): Promise<{ sequence: number; author: DeletedAuthor }[]> {
  const rows = await db
    .selectFrom('changes')
    .select(['sequence', 'at', 'before', idOfUser('changes.actor_number').as('actor_id')])
    .where('operation', '=', DELETED)
    .where('before', 'is not', null)
    .where('before', 'like', IS_WHOLE)
    .$narrowType<{ before: NotNull }>()
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('changes as later')
            .select('later.sequence')
            .whereRef('later.author_number', '=', 'changes.author_number')
            .whereRef('later.version', '>', 'changes.version')
        )
      )
    )
    .$if(before !== undefined, (query) => query.where('sequence', '<', before as number))
    .orderBy('sequence', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ sequence, at, before: record, actor_id }) => ({
    sequence,
    author: { ...parseRecord(record), deleted_at: at, deleted_by: actor_id }
  }))
}
