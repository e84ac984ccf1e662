import type { ReadDb } from './tables.ts'

/** The last version of an author, and when that is a deletion what the author was before, as JSON, or what remains of it. */
export async function findLastVersion(db: ReadDb, authorNumber: number) {
  return db
    .selectFrom('changes')
    .select(['version', 'before', 'operation'])
    .where('author_number', '=', authorNumber)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** A deleted author: its last version, which is that of the deletion, and as JSON what it was before, or what remains of it. */
export async function findDeletion(db: ReadDb, authorNumber: number) {
  const last = await findLastVersion(db, authorNumber)
  return last?.operation === 'deleted' ? { version: last.version, before: last.before as string } : undefined
}

/** The number of the author that had this id or slug when it was deleted; of several the last. */
export async function findDeletedNumber(
  db: ReadDb,
  column: 'deleted_id' | 'deleted_slug',
  key: string
): Promise<number | undefined> {
  const row = await db
    .selectFrom('changes')
    .select('author_number')
    .where(column, '=', key)
    .orderBy('sequence', 'desc')
    .executeTakeFirst()
  return row?.author_number
}
