import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Actor } from '../command.ts'
import { sqlOf } from '../engine.ts'
import type { Db } from '../tables.ts'
import { timeOf } from '../text.ts'
import { idPlus, idsFrom } from './ids.ts'
import { nextPlace, type Place } from './next-place.ts'
import type { StagedDb } from './staged-tables.ts'
import { AUTHOR_COLUMNS } from './table.ts'

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
  const { count: known } = await count('authors').where('number', 'is not', null).executeTakeFirstOrThrow()
  const { count: repeats } = await count('repeats').executeTakeFirstOrThrow()
  return { created: rows - known, unchanged: known + repeats }
}

/** Inserts the staged authors, with their words and their places in the change log; the first gets the stamp as its id. */
export async function insertStagedAuthors(
  trx: Db,
  staged: StagedDb,
  { stamp, actor }: { stamp: string; actor: Actor }
): Promise<void> {
  const { last } = await staged
    .selectFrom('authors')
    .select((eb) => eb.fn.max('position').as('last'))
    .executeTakeFirstOrThrow()
  let place = await nextPlace(trx, stamp)
  for (let after = 0; after < (last ?? 0); after += ROWS_A_STATEMENT) {
    place = await insertPart(trx, partOf(staged, after), place, actor)
  }
}

/** The rows of a part, each with how many come before it. They are counted by themselves, because what is counted is copied: a tenth of the time. */
function partOf(staged: StagedDb, after: number) {
  const counted = staged
    .selectFrom('authors')
    .select(['position as place', sql<number>`row_number() over (order by position) - 1`.as('before')])
    .where('position', '>', after)
    .where('position', '<=', after + ROWS_A_STATEMENT)
    .where('number', 'is', null)
    .as('counted')
  return staged
    .selectFrom(counted)
    .innerJoin('authors', 'authors.position', 'counted.place')
    .orderBy('counted.place')
}

/** In the order of creation, so that most indexes grow at their ends. Gives the place after them. */
async function insertPart(
  trx: Db,
  part: ReturnType<typeof partOf>,
  { number: first, id }: Place,
  actor: Actor
): Promise<Place> {
  const { head, tail } = idsFrom(id, ROWS_A_STATEMENT)
  const firstId = idPlus(`${head}000000000000`, tail)
  const at = timeOf(firstId)
  const before = sql.ref<number>('counted.before')
  const number = sql<number>`${first} + ${before}`.as('number')
  const newId = sql<string>`${head} || ${sqlOf(trx).hexOf(sql<number>`${tail} + ${before}`)}`
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('authors')
    .columns(AUTHOR_COLUMNS)
    .expression(
      part.select([
        number,
        newId.as('id'),
        'slug',
        'booker_prize',
        'birth_year',
        'viaf',
        'isni',
        'wikidata',
        'openlibrary',
        sql.val(actor.number).as('owner_number'),
        sql.lit(1).as('version'),
        sql.val(at).as('updated_at'),
        'name_key',
        'book_key',
        'sort_key',
        recordWith(sqlOf(trx).membersOf(sql.ref('record')), newId, at).as('record')
      ])
    )
    .executeTakeFirstOrThrow()
  const count = Number(numInsertedOrUpdatedRows)
  await sqlOf(trx).addStagedTerms(trx, part.select([number, 'terms']))
  await logCreated(trx, first, count, actor)
  return { number: first + count, id: idPlus(firstId, count) }
}

/** The author as JSON: what is staged, between its id and its times. */
function recordWith(rest: RawBuilder<string>, id: RawBuilder<string>, at: string) {
  return sql<string>`'{"id":"' || ${id} || '",' || ${rest} || ',"created_at":"' || ${at} || '","updated_at":"' || ${at} || '"}'`
}

async function logCreated(trx: Db, first: number, count: number, actor: Actor): Promise<void> {
  const created = trx
    .selectFrom('authors')
    .select([
      'number as sequence',
      'number as author_number',
      'version',
      sql.val(actor.number).as('actor_number'),
      'updated_at as at',
      sql.lit('created' as const).as('operation')
    ])
    .where(sql<SqlBool>`number between ${first} and ${first + count - 1}`)
    .orderBy('number')
  await trx
    .insertInto('changes')
    .columns(['sequence', 'author_number', 'version', 'actor_number', 'at', 'operation'])
    .expression(created)
    .execute()
}
