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

/** Where the next author comes in the order of creation: its number, and an id, which is `stamp` (UUIDv7) if that is later than all. */
export async function nextPlace(db: ReadDb, stamp: string): Promise<{ number: number; id: string }> {
  const [{ rows }, number] = await Promise.all([selectLast(db, {}), nextSequence(db)])
  return { number, id: idAfter(rows[0]?.id, stamp) }
}
