import { logChanges, nextSequence, type Operation } from '../changes.ts'
import type { Actor } from '../command.ts'
import { sqlOf } from '../engine.ts'
import { inserter } from '../insert-many.ts'
import type { Db, ReadDb } from '../tables.ts'
import { slugify, timeOf } from '../text.ts'
import { idPlus } from './ids.ts'
import { nextPlace } from './next-place.ts'
import type { StoredAuthor } from './reading.ts'
import { findFreeSlug } from './slugs.ts'
import {
  AUTHOR_COLUMNS,
  type AuthorContent,
  type AuthorRecord,
  type AuthorRow,
  completed,
  type FoldedTexts,
  foldTexts,
  haveSameTexts,
  type Numbers,
  parseRecord,
  toColumns,
  toRow
} from './table.ts'
import { assertUnique, type Identity } from './uniqueness.ts'
import { updateRow } from './updating.ts'
import { termsOf } from './words.ts'

/** Who makes a change, and when. */
interface By {
  actor: Pick<Actor, 'number'>
  at: string
}

const insertRows = inserter('authors', AUTHOR_COLUMNS)

/** What a new author is made of. */
export interface NewContent {
  slug: string
  content: AuthorContent
}

/** A new author that is in no table yet; its time of creation is that of its id. */
export function newAuthor({ content, slug }: NewContent, ownerId: string, id: string): AuthorRecord {
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

/** Inserts new authors of the actor's, with their words and their places in the change log; the first gets the stamp as its id. */
export async function insertAuthors(
  trx: Db,
  contents: readonly NewContent[],
  { stamp, actor }: { stamp: string; actor: Actor }
): Promise<void> {
  const first = await nextPlace(trx, stamp)
  const authors = contents.map((content, index) => ({
    number: first.number + index,
    author: newAuthor(content, actor.id, idPlus(first.id, index))
  }))
  const rows = authors.map(({ number, author }) => toRow(author, { number, owner_number: actor.number }))
  await insertRows(trx, rows)
  await sqlOf(trx).addTerms(
    trx,
    authors.map(({ number, author }) => ({ number, terms: termsOf(author) }))
  )
  await logChanges(
    trx,
    first.number,
    rows.map(({ number, updated_at }) => ({
      author_number: number,
      version: 1,
      actor_number: actor.number,
      at: updated_at,
      operation: 'created',
      before: null
    }))
  )
}

/** Inserts an author, whom the actor owns. Throws what `assertUnique` throws. */
export async function insertAuthor(
  trx: Db,
  content: AuthorContent,
  { stamp, actor }: { stamp: string; actor: Actor }
): Promise<AuthorRow> {
  const folded = foldTexts(content)
  const [{ number, id }, slug] = await Promise.all([
    nextPlace(trx, stamp),
    findFreeSlug(trx, slugify(content.name)),
    assertUnique(trx, identityOf(content, folded))
  ])
  const author = newAuthor({ content, slug }, actor.id, id)
  const change = { sequence: number, number, owner_number: actor.number, operation: 'created' } as const
  return insertUnique(trx, { author, folded }, change, { actor, at: author.updated_at })
}

function identityOf({ identifiers }: AuthorContent, { name, book }: FoldedTexts): Identity {
  return { ...identifiers, name_key: name, book_key: book }
}

/** An author of whom it is known that there is no other. */
async function insertUnique(
  trx: Db,
  { author, folded }: { author: AuthorRecord; folded: FoldedTexts },
  { sequence, operation, ...numbers }: Numbers & { sequence: number; operation: 'created' | 'restored' },
  by: By
): Promise<AuthorRow> {
  const row = toRow(author, numbers, folded)
  await insertRows(trx, [row])
  await sqlOf(trx).addTerms(trx, [{ number: row.number, terms: termsOf(author, folded) }])
  await logChange(trx, sequence, row, { operation, before: null }, by)
  return row
}

/** Writes down that an author has come to be of this version. */
async function logChange(
  trx: Db,
  sequence: number,
  { number, version }: Pick<AuthorRow, 'number' | 'version'>,
  what: { operation: Operation; before: string | null },
  { actor, at }: By
): Promise<void> {
  await logChanges(trx, sequence, [
    { author_number: number, version, actor_number: actor.number, at, ...what }
  ])
}

/** Sets what a user may write of an author, and counts its version up. Throws what `assertUnique` throws. */
export async function changeAuthor(
  trx: Db,
  stored: StoredAuthor,
  content: AuthorContent,
  operation: Extract<Operation, 'replaced' | 'patched'>,
  by: By
): Promise<AuthorRow> {
  const current = parseRecord(stored.record)
  const author = { ...current, ...completed(content), version: current.version + 1, updated_at: by.at }
  const before = foldTexts(current)
  const after = haveSameTexts(author, current) ? before : foldTexts(author)
  const row = toRow(author, stored, after)
  await updateRow(trx, row, { ...toColumns(current, stored, before), record: stored.record })
  const terms = termsOf(author, after)
  if (terms !== termsOf(current, before)) await sqlOf(trx).replaceTerms(trx, { number: row.number, terms })
  await logChange(trx, await nextSequence(trx), row, { operation, before: stored.record }, by)
  return row
}

/**
 * Brings a deleted author back as it was last, under another slug if its own has passed on. Throws what `assertUnique` throws.
 */
export async function reinsertAuthor(
  trx: Db,
  { number, version, last }: { number: number; version: number; last: AuthorRecord },
  by: By
): Promise<AuthorRow> {
  const folded = foldTexts(last)
  const [owner, slug, sequence] = await Promise.all([
    findOwner(trx, last.owner_id),
    findFreeSlug(trx, last.slug),
    nextSequence(trx),
    assertUnique(trx, identityOf(last, folded))
  ])
  const author = {
    ...last,
    slug,
    owner_id: owner?.id ?? null,
    version: version + 1,
    updated_at: by.at
  }
  const numbers = { number, owner_number: owner?.number ?? null }
  return insertUnique(trx, { author, folded }, { sequence, operation: 'restored', ...numbers }, by)
}

/** The owner, who may be gone. */
async function findOwner(db: ReadDb, ownerId: string | null) {
  if (ownerId === null) return undefined
  return db.selectFrom('users').select(['id', 'number']).where('id', '=', ownerId).executeTakeFirst()
}
