import { logChanges, nextSequence } from '../changes.ts'
import { compiledOnce } from '../compiled.ts'
import type { Db } from '../tables.ts'
import type { AuthorRecord, AuthorRow } from './table.ts'

type Disowned = Pick<AuthorRow, 'number' | 'version' | 'updated_at' | 'record'> & { before: string }

const updateOwnerless = compiledOnce<Disowned>()((db, { number, version, updated_at, record }) =>
  db.updateTable('authors').set({ version, updated_at, record }).where('number', '=', number)
)

/** Takes up to `limit` authors from their owner, each a change like any other, and gives how many they were. */
export async function disownSome(
  trx: Db,
  { user_number: owner, actor_number }: { user_number: number; actor_number: number },
  at: string,
  limit: number
): Promise<number> {
  const owned = await trx
    .selectFrom('authors')
    .select(['number', 'record'])
    .where('owner_number', '=', owner)
    .orderBy('number')
    .limit(limit)
    .execute()
  if (owned.length === 0) return 0
  const disowned = owned.map((row) => disown(row, at))
  await Promise.all(disowned.map((author) => updateOwnerless(trx, author)))
  const numbers = disowned.map(({ number }) => number)
  // Apart from the rest: SQLite keeps a journal for each statement that sets a foreign key.
  await trx.updateTable('authors').set({ owner_number: null }).where('number', 'in', numbers).execute()
  await logChanges(
    trx,
    await nextSequence(trx),
    disowned.map(({ number, version, before }) => ({
      author_number: number,
      version,
      actor_number,
      at,
      operation: 'disowned',
      before
    }))
  )
  return owned.length
}

function disown({ number, record: before }: Pick<AuthorRow, 'number' | 'record'>, at: string): Disowned {
  const author: AuthorRecord = JSON.parse(before)
  const changed = { ...author, owner_id: null, version: author.version + 1, updated_at: at }
  return { number, version: changed.version, updated_at: at, record: JSON.stringify(changed), before }
}
