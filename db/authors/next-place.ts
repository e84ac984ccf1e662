import type { NotNull } from 'kysely'
import { nextSequence } from '../changes.ts'
import { compiledOnce } from '../compiled.ts'
import type { ReadDb } from '../tables.ts'
import { idAfter } from './ids.ts'

/** Also when the newest author was deleted: its id must not be given again. */
const selectLast = compiledOnce<object>()((db) =>
  db
    .selectFrom('changes')
    .leftJoin('authors', 'authors.number', 'changes.author_number')
    .select((eb) => eb.fn.coalesce('authors.id', 'deleted_id').as('id'))
    .orderBy('author_number', 'desc')
    .orderBy('changes.version', 'desc')
    .limit(1)
    .$narrowType<{ id: NotNull }>()
)

/** Where a new author comes in the order of creation. */
export interface Place {
  number: number
  id: string
}

/** The place of the next author: its id is `stamp` (UUIDv7) if that is later than all. */
export async function nextPlace(db: ReadDb, stamp: string): Promise<Place> {
  const [{ rows }, number] = await Promise.all([selectLast(db, {}), nextSequence(db)])
  return { number, id: idAfter(rows[0]?.id, stamp) }
}

/** The place after this one. */
export function placeAfter({ number, id }: Place, stamp: string): Place {
  return { number: number + 1, id: idAfter(id, stamp) }
}
