import { type AuthorPatch, assertPossibleLife, patchContent } from '../authors/content.ts'
import { insertDistinct } from '../authors/distinct.ts'
import { assertCurrent, type Preconditions } from '../authors/preconditions.ts'
import { findAuthor, findAuthorNumber, type StoredAuthor } from '../authors/reading.ts'
import { removeAuthor } from '../authors/removing.ts'
import { newRepresentationOf, representationOf } from '../authors/representation.ts'
import { type AuthorContent, parseRecord } from '../authors/table.ts'
import { changeAuthor, insertAuthor, reinsertAuthor } from '../authors/writing.ts'
import { type Actor, type Representation, userCommand } from '../command.ts'
import { isPurged } from '../history/remains.ts'
import { findDeletion } from '../last-versions.ts'
import { Problem } from '../problems.ts'
import type { Db, ReadDb } from '../tables.ts'

/** Which author is to be changed, and in which version. */
export interface Target {
  idOrSlug: string
  preconditions: Preconditions
}

/** Creates an author, whom the actor owns. Throws `VALIDATION_FAILED`, `AUTHOR_EXISTS` or `IDENTIFIER_TAKEN`. */
export const createAuthor = userCommand<{ content: AuthorContent }, Representation>(
  'createAuthor',
  'editor',
  async (trx, { content, id, actor }) => {
    assertPossibleLife(content)
    return newRepresentationOf(await insertAuthor(trx, content, { stamp: id, actor }))
  },
  { runTogether: async (trx, creations) => (await insertDistinct(trx, creations)).map(newRepresentationOf) }
)

/** Sets all that a user may write of an author; throws what `getEditable` throws, and what `createAuthor` throws. */
export const replaceAuthor = userCommand<Target & { content: AuthorContent }, Representation>(
  'replaceAuthor',
  'editor',
  async (trx, { content, ...edit }) => {
    const current = await getEditable(trx, edit)
    return change(trx, current, content, 'replaced', edit)
  }
)

/** Sets what the patch names; throws as `replaceAuthor` does. */
export const patchAuthor = userCommand<Target & { patch: AuthorPatch }, Representation>(
  'patchAuthor',
  'editor',
  async (trx, { patch, ...edit }) => {
    const current = await getEditable(trx, edit)
    return change(trx, current, patchContent(JSON.parse(current.record), patch), 'patched', edit)
  }
)

/** Deletes an author, whose history stays; throws what `getEditable` throws. */
export const deleteAuthor = userCommand<Target, Representation>(
  'deleteAuthor',
  'editor',
  async (trx, edit) => {
    await removeAuthor(trx, await getEditable(trx, edit), edit)
    return { body: null }
  }
)

/**
 * Brings a deleted author back. Throws `AUTHOR_NOT_FOUND`, `AUTHOR_NOT_DELETED`, `AUTHOR_PURGED`, `NOT_OWNER`, or when something has taken
 * its place `AUTHOR_EXISTS` or `IDENTIFIER_TAKEN`.
 */
export const restoreAuthor = userCommand<{ idOrSlug: string }, Representation>(
  'restoreAuthor',
  'editor',
  async (trx, { idOrSlug, actor, at }) => {
    const deleted = await getDeleted(trx, idOrSlug)
    assertOwnerOrAdmin(deleted.last.owner_id === actor.id, actor)
    return newRepresentationOf(await reinsertAuthor(trx, deleted, { actor, at }))
  }
)

interface Edit extends Target {
  actor: Actor
  at: string
}

/** The author, if the actor may change this version of it. Throws `AUTHOR_NOT_FOUND`, `NOT_OWNER` or `STALE_VERSION`. */
async function getEditable(db: ReadDb, { idOrSlug, preconditions, actor }: Edit): Promise<StoredAuthor> {
  const author = await findAuthor(db, idOrSlug)
  if (author === undefined) throw new Problem('AUTHOR_NOT_FOUND', [idOrSlug])
  assertOwnerOrAdmin(author.owner_number === actor.number, actor)
  assertCurrent(author, preconditions)
  return author
}

function assertOwnerOrAdmin(isOwner: boolean, { role }: Actor): void {
  if (!isOwner && role !== 'admin') throw new Problem('NOT_OWNER', [])
}

async function change(
  trx: Db,
  current: StoredAuthor,
  content: AuthorContent,
  operation: 'replaced' | 'patched',
  edit: Edit
): Promise<Representation> {
  assertPossibleLife(content)
  return representationOf(await changeAuthor(trx, current, content, operation, edit))
}

/** A deleted author as it was last. Throws `AUTHOR_NOT_FOUND`, `AUTHOR_NOT_DELETED` or `AUTHOR_PURGED`. */
async function getDeleted(db: ReadDb, idOrSlug: string) {
  const number = await findAuthorNumber(db, idOrSlug)
  if (number === undefined) throw new Problem('AUTHOR_NOT_FOUND', [idOrSlug])
  const deletion = await findDeletion(db, number)
  if (deletion === undefined) throw new Problem('AUTHOR_NOT_DELETED', [idOrSlug])
  if (isPurged(deletion.before)) throw new Problem('AUTHOR_PURGED', [idOrSlug])
  return { number, version: deletion.version, last: parseRecord(deletion.before) }
}
