import type { Generated, Selectable } from 'kysely'
import type { AuthorRecord, AuthorRow } from './authors/table.ts'
import { compiledOnce } from './compiled.ts'
import type { Db, ReadDb } from './database.ts'
import { inserter } from './insert-many.ts'

/** What happened to an author; `disowned` when its owner's account was deleted. */
export type Operation = 'created' | 'replaced' | 'patched' | 'deleted' | 'restored' | 'disowned'

/** The change log: a row for every version of every author, written in the transaction of the change itself. */
export interface ChangesTable {
  /** Grows in the order in which changes are committed, because there is one writer at a time. */
  sequence: Generated<number>
  author_id: string
  version: number
  /** Who did it; the id stays when that user is gone. */
  actor_id: string | null
  at: string
  operation: Operation
  /** The author after the change, as JSON; null once it is deleted. */
  record: string | null
  /** The slug that a deleted author had, by which it can still be asked for; else null. */
  deleted_slug: string | null
}

/** A change as the API shows it. */
export interface Change {
  sequence: number
  author_id: string
  version: number
  actor_id: string | null
  at: string
  operation: Operation
  record: AuthorRecord | null
}

/** That an author has changed. */
export type AuthorChange = Pick<Selectable<ChangesTable>, 'sequence' | 'author_id' | 'record'>

const COLUMNS = ['sequence', 'author_id', 'version', 'actor_id', 'at', 'operation', 'record'] as const

function toChange({ record, ...change }: Omit<Change, 'record'> & { record: string | null }): Change {
  return { ...change, record: parseRecord(record) }
}

function parseRecord(record: string | null): AuthorRecord | null {
  return record === null ? null : JSON.parse(record)
}

const insertChanges = inserter('changes', [
  'author_id',
  'version',
  'actor_id',
  'at',
  'operation',
  'record',
  'deleted_slug'
])

/** Writes down that each author has come to be as it is now. */
export async function logChanges(
  trx: Db,
  authors: readonly Pick<AuthorRow, 'id' | 'version' | 'updated_at' | 'record'>[],
  operation: Exclude<Operation, 'deleted'>,
  actorId: string
): Promise<void> {
  await insertChanges(
    trx,
    authors.map((author) => ({
      author_id: author.id,
      version: author.version,
      actor_id: actorId,
      at: author.updated_at,
      operation,
      record: author.record,
      deleted_slug: null
    }))
  )
}

/** Writes down that the author is no more; the deletion is a version too. */
export async function logDeletion(
  trx: Db,
  author: AuthorRecord,
  { actorId, at }: { actorId: string; at: string }
): Promise<void> {
  await insertChanges(trx, [
    {
      author_id: author.id,
      version: author.version + 1,
      actor_id: actorId,
      at,
      operation: 'deleted',
      record: null,
      deleted_slug: author.slug
    }
  ])
}

/** Up to `limit` changes of all authors after the sequence number `after`, in order. */
export async function listChanges(db: ReadDb, { limit, after }: { limit: number; after: number }) {
  const rows = await db
    .selectFrom('changes')
    .select(COLUMNS)
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute()
  return rows.map(toChange)
}

const selectChangedAuthors = compiledOnce<{ after: number; limit: number }>()((db, { after, limit }) =>
  db
    .selectFrom('changes')
    .select(['sequence', 'author_id', 'record'])
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
)

/** Which authors changed after the sequence number `after`, and how; up to `limit` changes, in order. */
export async function listChangedAuthors(
  db: ReadDb,
  bounds: { limit: number; after: number }
): Promise<AuthorChange[]> {
  return (await selectChangedAuthors(db, bounds)).rows
}

/** The sequence number of the newest change; 0 before the first. */
export async function lastSequence(db: ReadDb): Promise<number> {
  const { last } = await db
    .selectFrom('changes')
    .select((eb) => eb.fn.max('sequence').as('last'))
    .executeTakeFirstOrThrow()
  return last ?? 0
}

/** Up to `limit` changes of one author, newest first, those before the version `before`. */
export async function listHistory(
  db: ReadDb,
  authorId: string,
  { limit, before }: { limit: number; before: number | undefined }
) {
  const rows = await db
    .selectFrom('changes')
    .select(COLUMNS)
    .where('author_id', '=', authorId)
    .$if(before !== undefined, (query) => query.where('version', '<', before as number))
    .orderBy('version', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toChange)
}

/** The author as it was in this version; null when that was its deletion. */
export async function findVersion(
  db: ReadDb,
  authorId: string,
  version: number
): Promise<AuthorRecord | null | undefined> {
  const row = await db
    .selectFrom('changes')
    .select('record')
    .where('author_id', '=', authorId)
    .where('version', '=', version)
    .executeTakeFirst()
  return row && parseRecord(row.record)
}

/** The last version of an author, by id, whether it is there or not. */
export async function findLastChange(db: ReadDb, authorId: string): Promise<Change | undefined> {
  return (await listHistory(db, authorId, { limit: 1, before: undefined }))[0]
}

/** The id of the author that had this slug when it was deleted; of several the last. */
export async function findDeletedBySlug(db: ReadDb, slug: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('changes')
    .select('author_id')
    .where('deleted_slug', '=', slug)
    .orderBy('sequence', 'desc')
    .executeTakeFirst()
  return row?.author_id
}
