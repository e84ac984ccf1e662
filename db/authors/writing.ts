import { setImmediate as othersTurn } from 'node:timers/promises'
import { uuidv7 } from 'uuidv7'
import { logChanges, logDeletion, type Operation } from '../changes.ts'
import type { Db } from '../database.ts'
import { inserter } from '../insert-many.ts'
import { slugify, timeOf } from '../text.ts'
import { findFreeSlug } from './slugs.ts'
import { type AuthorContent, type AuthorRecord, completed, RECORD_COLUMNS, toAuthor, toRow } from './table.ts'
import { addWords, deleteWords, replaceWords } from './words.ts'

const ROWS_AT_ONCE = 256

const insertRows = inserter('authors', [
  ...RECORD_COLUMNS,
  'name_key',
  'book_key',
  'country_key',
  'birth_key',
  'words',
  'record'
])

/** A new author that is in no table yet; its time of creation is that of its id, so that both have one order. */
export function newAuthor(content: AuthorContent, slug: string, ownerId: string): AuthorRecord {
  const id = uuidv7()
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
  const rows = authors.map(toRow)
  await insertRows(trx, rows)
  await addWords(trx, rows)
  await logChanges(trx, rows, operation, actorId)
}

/** Inserts an author; takes a transaction, as all that writes here does. Breaks a uniqueness when it is a duplicate. */
export async function insertAuthor(trx: Db, content: AuthorContent, ownerId: string): Promise<AuthorRecord> {
  const author = newAuthor(content, await findFreeSlug(trx, slugify(content.name)), ownerId)
  await insertAuthors(trx, [author], 'created', ownerId)
  return author
}

/** Sets what a user may write of an author, and counts its version up. Breaks a uniqueness when it becomes a duplicate. */
export async function changeAuthor(
  trx: Db,
  current: AuthorRecord,
  content: AuthorContent,
  operation: 'replaced' | 'patched',
  actorId: string
): Promise<AuthorRecord> {
  return updateAuthor(trx, { ...current, ...completed(content) }, operation, actorId)
}

/** Leaves the owner's column as it is: SQLite keeps a journal for each statement that sets a foreign key. */
async function updateAuthor(
  trx: Db,
  changed: AuthorRecord,
  operation: Exclude<Operation, 'deleted'>,
  actorId: string
): Promise<AuthorRecord> {
  const author = { ...changed, version: changed.version + 1, updated_at: new Date().toISOString() }
  const row = toRow(author)
  const { id, owner_id: _, ...columns } = row
  await replaceWords(trx, row)
  await trx.updateTable('authors').set(columns).where('id', '=', id).execute()
  await logChanges(trx, [row], operation, actorId)
  return author
}

/** Deletes an author; its history stays. */
export async function deleteAuthor(trx: Db, author: AuthorRecord, actorId: string): Promise<void> {
  await deleteWords(trx, author.id)
  await trx.deleteFrom('authors').where('id', '=', author.id).execute()
  await logDeletion(trx, author, actorId)
}

/** Brings a deleted author back as it was last, under another slug if its own has passed on. Breaks a uniqueness as an insert does. */
export async function restoreAuthor(
  trx: Db,
  last: AuthorRecord,
  deletedVersion: number,
  actorId: string
): Promise<AuthorRecord> {
  const author = {
    ...last,
    slug: await findFreeSlug(trx, last.slug),
    owner_id: await ownerIfStillThere(trx, last.owner_id),
    version: deletedVersion + 1,
    updated_at: new Date().toISOString()
  }
  await insertAuthors(trx, [author], 'restored', actorId)
  return author
}

async function ownerIfStillThere(trx: Db, ownerId: string | null): Promise<string | null> {
  if (ownerId === null) return null
  const owner = await trx.selectFrom('users').select('id').where('id', '=', ownerId).executeTakeFirst()
  return owner?.id ?? null
}

/** Takes all authors from their owner, each a change like any other; others get their turn to read meanwhile. */
export async function disownAuthors(trx: Db, ownerId: string, actorId: string): Promise<void> {
  for (;;) {
    const rows = await trx
      .selectFrom('authors')
      .select(RECORD_COLUMNS)
      .where('owner_id', '=', ownerId)
      .limit(ROWS_AT_ONCE)
      .execute()
    for (const row of rows) await updateAuthor(trx, { ...toAuthor(row), owner_id: null }, 'disowned', actorId)
    const ids = rows.map(({ id }) => id)
    await trx.updateTable('authors').set({ owner_id: null }).where('id', 'in', ids).execute()
    if (rows.length < ROWS_AT_ONCE) return
    await othersTurn()
  }
}
