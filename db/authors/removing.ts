import { logChanges, nextSequence } from '../changes.ts'
import type { Actor } from '../command.ts'
import { compiledOnce } from '../compiled.ts'
import { sqlOf } from '../engine.ts'
import { tombstoneOf } from '../history/remains.ts'
import { deleteHistory } from '../history/trimming.ts'
import type { Db } from '../tables.ts'
import type { StoredAuthor } from './reading.ts'
import { keysOf, parseRecord } from './table.ts'
import { passKeysOn } from './uniqueness.ts'

interface By {
  actor: Pick<Actor, 'number'>
  at: string
}

const deleteRow = compiledOnce<{ number: number }>()((db, { number }) =>
  db.deleteFrom('authors').where('number', '=', number)
)

async function takeOut(trx: Db, { number, record }: StoredAuthor): Promise<void> {
  await sqlOf(trx).removeTerms(trx, number)
  await deleteRow(trx, { number })
  await passKeysOn(trx, keysOf(parseRecord(record)))
}

/** Deletes an author; its history stays. The deletion is a version too. */
export async function removeAuthor(trx: Db, author: StoredAuthor, { actor, at }: By): Promise<void> {
  const { number, version, record } = author
  await takeOut(trx, author)
  await logChanges(trx, await nextSequence(trx), [
    {
      author_number: number,
      version: version + 1,
      actor_number: actor.number,
      at,
      operation: 'deleted',
      before: record
    }
  ])
}

/** An author of whom nothing is to stay. */
export interface Condemned {
  number: number
  id: string
  /** The last. */
  version: number
  /** Undefined when it was deleted before. */
  stored: StoredAuthor | undefined
}

/** Erases an author and its history, but for a change that says who did that and when. */
export async function eraseAuthor(
  trx: Db,
  { number, id, version, stored }: Condemned,
  { actor, at }: By
): Promise<void> {
  // The last change may be the one that goes.
  const sequence = await nextSequence(trx)
  if (stored !== undefined) await takeOut(trx, stored)
  await deleteHistory(trx, number)
  await logChanges(trx, sequence, [
    {
      author_number: number,
      version: version + 1,
      actor_number: actor.number,
      at,
      operation: 'deleted',
      before: tombstoneOf(id)
    }
  ])
}
