import { logChanges, nextSequence, type Operation } from '../changes.ts'
import type { Actor } from '../command.ts'
import { sqlOf } from '../engine.ts'
import type { Db, ReadDb } from '../tables.ts'
import { slugify } from '../text.ts'
import { arrivalOf, type By, insertArrivals, type NewContent } from './arrivals.ts'
import { idPlus } from './ids.ts'
import { nextPlace } from './next-place.ts'
import type { StoredAuthor } from './reading.ts'
import { findFreeSlug } from './slugs.ts'
import {
  type AuthorContent,
  type AuthorRecord,
  type AuthorRow,
  completed,
  type FoldedTexts,
  foldTexts,
  haveSameTexts,
  parseRecord,
  toColumns,
  toRow
} from './table.ts'
import { assertUnique, type Identity } from './uniqueness.ts'
import { updateRow } from './updating.ts'
import { termsOf } from './words.ts'

/** Inserts new authors of the actor's, with their words and their places in the change log; the first gets the stamp as its id. */
export async function insertAuthors(
  trx: Db,
  contents: readonly NewContent[],
  { stamp, actor }: { stamp: string; actor: Actor }
): Promise<void> {
  const first = await nextPlace(trx, stamp)
  const arrivals = contents.map((content, index) =>
    arrivalOf({ ...content, place: { number: first.number + index, id: idPlus(first.id, index) }, actor })
  )
  await insertArrivals(trx, first.number, arrivals)
}

/** Inserts an author, whom the actor owns. Throws what `assertUnique` throws. */
export async function insertAuthor(
  trx: Db,
  content: AuthorContent,
  { stamp, actor }: { stamp: string; actor: Actor }
): Promise<AuthorRow> {
  const folded = foldTexts(content)
  const [place, slug] = await Promise.all([
    nextPlace(trx, stamp),
    findFreeSlug(trx, slugify(content.name)),
    assertUnique(trx, identityOf(content, folded))
  ])
  const [row] = await insertArrivals(trx, place.number, [arrivalOf({ content, folded, slug, place, actor })])
  return row as AuthorRow
}

function identityOf({ identifiers }: AuthorContent, { name, book }: FoldedTexts): Identity {
  return { ...identifiers, name_key: name, book_key: book }
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
  const { number: author_number, version } = row
  await logChanges(trx, await nextSequence(trx), [
    { author_number, version, actor_number: by.actor.number, at: by.at, operation, before: stored.record }
  ])
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
  const arrival = {
    author,
    folded,
    terms: termsOf(author, folded),
    numbers,
    operation: 'restored',
    by
  } as const
  const [row] = await insertArrivals(trx, sequence, [arrival])
  return row as AuthorRow
}

/** The owner, who may be gone. */
async function findOwner(db: ReadDb, ownerId: string | null) {
  if (ownerId === null) return undefined
  return db.selectFrom('users').select(['id', 'number']).where('id', '=', ownerId).executeTakeFirst()
}
