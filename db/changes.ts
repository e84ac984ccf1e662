import { type GeneratedAlways, type Insertable, sql } from 'kysely'
import { type AuthorRecord, parseRecord } from './authors/table.ts'
import { compiledOnce } from './compiled.ts'
import { inserter } from './insert-many.ts'
import type { Db, ReadDb } from './tables.ts'
import { idOfUser } from './user-numbers.ts'

/** What happened to an author; `disowned` when its owner's account was deleted. */
export type Operation = 'created' | 'replaced' | 'patched' | 'deleted' | 'restored' | 'disowned'

/** The same as the API shows it. */
export type ShownOperation = Operation | 'purged'

/**
 * The change log: a row for every version of every author, written in the transaction of the change itself. What an author was after
 * a change is in the next one, as what it was before that, or it is what the author is now. Of an author whose past was purged it
 * begins with a later version (db/history/).
 */
export interface ChangesTable {
  /** Grows in the order in which changes are committed, because there is one writer at a time. */
  sequence: number
  author_number: number
  version: number
  /** Who did it; a former user has its number too. */
  actor_number: number | null
  at: string
  operation: Operation
  /** The author before the change, as JSON, or what remains of it (db/history/remains.ts); null when there was none, or it was purged. */
  before: string | null
  /** The id and the slug that a deleted author had, by which it can still be asked for; else null. */
  deleted_id: GeneratedAlways<string | null>
  deleted_slug: GeneratedAlways<string | null>
}

declare module './tables.ts' {
  interface Tables {
    changes: ChangesTable
  }
}

/** A change as the API shows it. */
export interface Change {
  sequence: number
  author_id: string
  version: number
  actor_id: string | null
  at: string
  operation: ShownOperation
  record: AuthorRecord | null
}

const insertChanges = inserter('changes', [
  'sequence',
  'author_number',
  'version',
  'actor_number',
  'at',
  'operation',
  'before'
])

/** Writes changes down, in their order, from this sequence number on. */
export async function logChanges(
  trx: Db,
  sequence: number,
  changes: readonly Omit<Insertable<ChangesTable>, 'sequence'>[]
): Promise<void> {
  await insertChanges(
    trx,
    changes.map((change, index) => ({ sequence: sequence + index, ...change }))
  )
}

/** What the change after the one of the query was made of; null when there is none. */
const BEFORE_NEXT = sql<string | null>`(
  select before from changes as next
  where next.author_number = changes.author_number and next.version = changes.version + 1
)`

/** The author now, if the change of the query was the last; else null. */
const NOW = sql<string | null>`(
  select record from authors where number = changes.author_number and authors.version = changes.version
)`

/** Whether the change of the query has purged its author. */
const IS_PURGE = sql<unknown>`(
  operation = 'deleted' and before = '{"id":"' || deleted_id || '","purged":true}'
)`

function selectLog(db: ReadDb) {
  return db
    .selectFrom('changes')
    .select([
      'sequence',
      'version',
      idOfUser('changes.actor_number').as('actor_id'),
      'at',
      'operation',
      'deleted_id',
      IS_PURGE.as('is_purge'),
      sql<string | null>`coalesce(${BEFORE_NEXT}, ${NOW})`.as('record')
    ])
}

interface Logged extends Omit<Change, 'author_id' | 'record'> {
  deleted_id: string | null
  is_purge: unknown
  record: string | null
}

function toChange({ deleted_id, is_purge, record: text, ...change }: Logged): Change {
  const record = text === null ? null : parseRecord(text)
  const { sequence, operation, ...rest } = change
  return {
    sequence,
    author_id: record?.id ?? (deleted_id as string),
    ...rest,
    operation: is_purge ? 'purged' : operation,
    record
  }
}

/** Up to `limit` changes of all authors after the sequence number `after`, in order. */
export async function listChanges(db: ReadDb, { limit, after }: { limit: number; after: number }) {
  const rows = await selectLog(db).where('sequence', '>', after).orderBy('sequence').limit(limit).execute()
  return rows.map(toChange)
}

const selectLast = compiledOnce<object>()((db) =>
  db.selectFrom('changes').select((eb) => eb.fn.max<number | null>('sequence').as('last'))
)

/** The sequence number of the newest change; 0 before the first. */
export async function lastSequence(db: ReadDb): Promise<number> {
  const [row] = (await selectLast(db, {})).rows
  return row?.last ?? 0
}

/** The sequence number of the change that comes next. */
export async function nextSequence(trx: ReadDb): Promise<number> {
  return (await lastSequence(trx)) + 1
}

/** Up to `limit` changes of one author, newest first, those before the version `before`. */
export async function listHistory(
  db: ReadDb,
  authorNumber: number,
  { limit, before }: { limit: number; before: number | undefined }
) {
  const rows = await selectLog(db)
    .where('author_number', '=', authorNumber)
    .$if(before !== undefined, (query) => query.where('version', '<', before as number))
    .orderBy('version', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toChange)
}

/** The author as it was in this version; null when that was its deletion. */
export async function findVersion(
  db: ReadDb,
  authorNumber: number,
  version: number
): Promise<AuthorRecord | null | undefined> {
  const row = await selectLog(db)
    .where('author_number', '=', authorNumber)
    .where('version', '=', version)
    .executeTakeFirst()
  return row && toChange(row).record
}
