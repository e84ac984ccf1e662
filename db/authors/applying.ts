import { sql } from 'kysely'
import type { Db } from '../database.ts'
import type { StagedDb } from './staged-tables.ts'
import { AUTHOR_COLUMNS } from './writing.ts'

/**
 * So many rows are inserted by one statement: the engine can take back a statement, and remembers for that what every page was that
 * it changed, in memory.
 */
const ROWS_A_STATEMENT = 20_000

export interface Counts {
  created: number
  unchanged: number
}

/** What becomes of the rows as they are staged now; counted in indexes, because the rows are long. */
export async function countStaged(staged: StagedDb): Promise<Counts> {
  const count = (table: 'authors' | 'repeats') =>
    staged.selectFrom(table).select((eb) => eb.fn.countAll<number>().as('count'))
  const { count: rows } = await count('authors').executeTakeFirstOrThrow()
  const { count: known } = await count('authors').where('same_as', 'is not', null).executeTakeFirstOrThrow()
  const { count: repeats } = await count('repeats').executeTakeFirstOrThrow()
  return { created: rows - known, unchanged: known + repeats }
}

/** Inserts the staged authors, with their words and their places in the change log. */
export async function insertStagedAuthors(trx: Db, staged: StagedDb, actorId: string): Promise<void> {
  const { last } = await staged
    .selectFrom('authors')
    .select((eb) => eb.fn.max('position').as('last'))
    .executeTakeFirstOrThrow()
  for (let after = 0; after < (last ?? 0); after += ROWS_A_STATEMENT) {
    await insertPart(trx, staged, actorId, after)
  }
  await insertWords(trx, staged)
}

/** In the order of ids, so that most indexes grow at their ends. */
async function insertPart(trx: Db, staged: StagedDb, actorId: string, after: number): Promise<void> {
  const part = staged
    .selectFrom('authors')
    .where('position', '>', after)
    .where('position', '<=', after + ROWS_A_STATEMENT)
    .where('same_as', 'is', null)
    .orderBy('position')
  await trx
    .insertInto('authors')
    .columns([...AUTHOR_COLUMNS])
    .expression(part.select(AUTHOR_COLUMNS))
    .execute()
  await trx
    .insertInto('changes')
    .columns(['author_id', 'version', 'actor_id', 'at', 'operation', 'record'])
    .expression(
      part.select((eb) => [
        'id',
        'version',
        eb.val(actorId).as('actor_id'),
        'updated_at',
        sql.lit('created').as('operation'),
        'record'
      ])
    )
    .execute()
}

/** In the order of their index: in random order it takes five times as long. */
async function insertWords(trx: Db, staged: StagedDb): Promise<void> {
  for (let after = ''; ; ) {
    const last = await findWordAhead(staged, after)
    const words = staged.selectFrom('author_words').select(['word', 'author_id']).where('word', '>', after)
    const part = last === undefined ? words : words.where('word', '<=', last)
    await trx
      .insertInto('author_words')
      .columns(['word', 'author_id'])
      .expression(part.orderBy('word').orderBy('author_id'))
      .execute()
    if (last === undefined) return
    after = last
  }
}

/** The last word of the next part; none when the rest is a part. */
async function findWordAhead(staged: StagedDb, after: string): Promise<string | undefined> {
  const row = await staged
    .selectFrom('author_words')
    .select('word')
    .where('word', '>', after)
    .orderBy('word')
    .limit(1)
    .offset(ROWS_A_STATEMENT)
    .executeTakeFirst()
  return row?.word
}
