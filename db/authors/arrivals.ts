/** How authors come into the table. */
import { logChanges, type Operation } from '../changes.ts'
import type { Actor } from '../command.ts'
import { sqlOf } from '../engine.ts'
import { inserter } from '../insert-many.ts'
import type { Db } from '../tables.ts'
import { timeOf } from '../text.ts'
import type { Place } from './next-place.ts'
import {
  AUTHOR_COLUMNS,
  type AuthorContent,
  type AuthorRecord,
  type AuthorRow,
  completed,
  type FoldedTexts,
  foldTexts,
  type Numbers,
  toRow
} from './table.ts'
import { termsOf } from './words.ts'

/** Who makes a change, and when. */
export interface By {
  actor: Pick<Actor, 'number'>
  at: string
}

/** What a new author is made of. */
export interface NewContent {
  slug: string
  content: AuthorContent
  /** Its texts, when they are folded already, which takes long. */
  folded?: FoldedTexts
  /** What the word index is to have of it, when that is known already. */
  terms?: string
}

/** An author that comes into the table, of whom it is known that there is no other. */
export interface Arrival {
  author: AuthorRecord
  folded: FoldedTexts
  terms: string
  numbers: Numbers
  operation: Extract<Operation, 'created' | 'restored'>
  by: By
}

/** The arrival of a new author, whom the actor owns. */
export function arrivalOf({
  place,
  actor,
  content,
  slug,
  folded = foldTexts(content),
  terms = termsOf(content, folded)
}: NewContent & { place: Place; actor: Actor }): Arrival {
  const author = newAuthor({ content, slug }, actor.id, place.id)
  return {
    author,
    folded,
    terms,
    numbers: { number: place.number, owner_number: actor.number },
    operation: 'created',
    by: { actor, at: author.updated_at }
  }
}

/** Its time of creation is that of its id. */
function newAuthor({ content, slug }: NewContent, ownerId: string, id: string): AuthorRecord {
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

const insertRows = inserter('authors', AUTHOR_COLUMNS)

/** Inserts authors with their words and their places in the change log, from this sequence number on. */
export async function insertArrivals(
  trx: Db,
  sequence: number,
  arrivals: readonly Arrival[]
): Promise<AuthorRow[]> {
  const rows = arrivals.map(({ author, folded, numbers }) => toRow(author, numbers, folded))
  await insertRows(trx, rows)
  await sqlOf(trx).addTerms(
    trx,
    arrivals.map(({ numbers: { number }, terms }) => ({ number, terms }))
  )
  await logChanges(
    trx,
    sequence,
    arrivals.map(({ author, numbers, operation, by }) => ({
      author_number: numbers.number,
      version: author.version,
      actor_number: by.actor.number,
      at: by.at,
      operation,
      before: null
    }))
  )
  return rows
}
