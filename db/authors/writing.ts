import { logChanges, logDeletion, type Operation } from '../changes.ts'
import { compiledOnce } from '../compiled.ts'
import type { Db, ReadDb } from '../database.ts'
import { inserter } from '../insert-many.ts'
import { slugify, timeOf } from '../text.ts'
import { findFreeSlug } from './slugs.ts'
import {
  type AuthorContent,
  type AuthorRecord,
  type AuthorRow,
  completed,
  RECORD_COLUMNS,
  toAuthor,
  toRow
} from './table.ts'
import { assertUnique } from './uniqueness.ts'
import { addWords, deleteWords, replaceWords } from './words.ts'

/** Who makes a change, and when. */
interface By {
  actorId: string
  at: string
}

/** All columns of an author. */
export const AUTHOR_COLUMNS = [
  ...RECORD_COLUMNS,
  'name_key',
  'book_key',
  'country_key',
  'birth_key',
  'words',
  'record'
] as const

const insertRows = inserter('authors', AUTHOR_COLUMNS)

/** A new author that is in no table yet; its time of creation is that of its id (UUIDv7), so that both have one order. */
export function newAuthor(content: AuthorContent, slug: string, ownerId: string, id: string): AuthorRecord {
  const at = timeOf(id)
  return {
    id,
    slug,
    ...completed(content),
    owner_id: ownerId,
    version: 1,
    created_at: at,
    updated_at: at
  }
}

/** Inserts authors as they are, with their words and their places in the change log. */
export async function insertAuthors(
  trx: Db,
  authors: readonly AuthorRecord[],
  operation: 'created' | 'restored',
  actorId: string
): Promise<void> {
  await insertAll(trx, authors.map(toRow), operation, actorId)
}

async function insertAll(
  trx: Db,
  rows: AuthorRow[],
  operation: 'created' | 'restored',
  actorId: string
): Promise<void> {
  await insertRows(trx, rows)
  await addWords(trx, rows)
  await logChanges(trx, rows, operation, actorId)
}

/** Inserts an author, who creates it. Throws what `assertUnique` throws. */
export async function insertAuthor(
  trx: Db,
  content: AuthorContent,
  { id, ownerId }: { id: string; ownerId: string }
): Promise<AuthorRow> {
  const slug = await findFreeSlug(trx, slugify(content.name))
  return insertUnique(trx, newAuthor(content, slug, ownerId, id), 'created', ownerId)
}

async function insertUnique(
  trx: Db,
  author: AuthorRecord,
  operation: 'created' | 'restored',
  actorId: string
): Promise<AuthorRow> {
  const row = toRow(author)
  await assertUnique(trx, row)
  await insertAll(trx, [row], operation, actorId)
  return row
}

/** What a change leaves as it is. SQLite keeps a journal for each statement that sets a foreign key, so the owner is no part of it. */
const LEFT_ALONE = new Set<string>(['id', 'slug', 'owner_id', 'created_at'])
const CHANGED_COLUMNS = AUTHOR_COLUMNS.filter((column) => !LEFT_ALONE.has(column))

const updateRow = compiledOnce<AuthorRow>()((db, row) =>
  db
    .updateTable('authors')
    .set(Object.fromEntries(CHANGED_COLUMNS.map((column) => [column, row[column]])))
    .where('id', '=', row.id)
)

/** Sets what a user may write of an author, and counts its version up. Throws what `assertUnique` throws. */
export async function changeAuthor(
  trx: Db,
  current: AuthorRecord,
  content: AuthorContent,
  operation: Extract<Operation, 'replaced' | 'patched'>,
  { actorId, at }: By
): Promise<AuthorRow> {
  const row = toRow({ ...current, ...completed(content), version: current.version + 1, updated_at: at })
  await assertUnique(trx, row)
  await replaceWords(trx, row)
  await updateRow(trx, row)
  await logChanges(trx, [row], operation, actorId)
  return row
}

const deleteRow = compiledOnce<{ id: string }>()((db, { id }) =>
  db.deleteFrom('authors').where('id', '=', id)
)

/** Deletes an author; its history stays. */
export async function removeAuthor(trx: Db, author: AuthorRecord, by: By): Promise<void> {
  await deleteWords(trx, author.id)
  await deleteRow(trx, author)
  await logDeletion(trx, author, by)
}

/**
 * Brings a deleted author back as it was last, under another slug if its own has passed on. Throws what `assertUnique` throws.
 */
export async function reinsertAuthor(
  trx: Db,
  last: AuthorRecord,
  deletedVersion: number,
  { actorId, at }: By
): Promise<AuthorRow> {
  const author = {
    ...last,
    slug: await findFreeSlug(trx, last.slug),
    owner_id: await ownerIfStillThere(trx, last.owner_id),
    version: deletedVersion + 1,
    updated_at: at
  }
  return insertUnique(trx, author, 'restored', actorId)
}

async function ownerIfStillThere(db: ReadDb, ownerId: string | null): Promise<string | null> {
  if (ownerId === null) return null
  const owner = await db.selectFrom('users').select('id').where('id', '=', ownerId).executeTakeFirst()
  return owner?.id ?? null
}
const updateOwnerless = compiledOnce<Disowned>()((db, { id, version, updated_at, record }) =>
  db.updateTable('authors').set({ version, updated_at, record }).where('id', '=', id)
)

/** Takes up to `limit` authors from their owner, each a change like any other, and gives how many they were. */
export async function disownSome(
  trx: Db,
  ownerId: string,
  actorId: string,
  at: string,
  limit: number
): Promise<number> {
  const owned = await trx
    .selectFrom('authors')
    .select(RECORD_COLUMNS)
    .where('owner_id', '=', ownerId)
    .limit(limit)
    .execute()
  if (owned.length === 0) return 0
  const disowned = owned.map((row) => disown(toAuthor(row), at))
  for (const author of disowned) await updateOwnerless(trx, author)
  const ids = disowned.map(({ id }) => id)
  // Apart from the rest: SQLite keeps a journal for each statement that sets a foreign key.
  await trx.updateTable('authors').set({ owner_id: null }).where('id', 'in', ids).execute()
  await logChanges(trx, disowned, 'disowned', actorId)
  return owned.length
}

/** What changes of a row when its owner goes, and by what it is known. */
type Disowned = Pick<AuthorRow, 'id' | 'version' | 'updated_at' | 'record'>

function disown(author: AuthorRecord, at: string): Disowned {
  const { id, version } = author
  const changed = { owner_id: null, version: version + 1, updated_at: at }
  return { id, version: changed.version, updated_at: at, record: JSON.stringify({ ...author, ...changed }) }
}
