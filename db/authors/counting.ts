import { sqlOf } from '../engine.ts'
import type { ReadDb } from '../tables.ts'
import { candidatesOf } from './candidates.ts'
import {
  type AuthorFilter,
  type Condition,
  type Fewest,
  findFewest,
  fulfilling,
  type Search,
  searchFor
} from './conditions.ts'
import { FEW, findAmongFew } from './finding.ts'
import type { AuthorOrder, Query } from './order.ts'

/** How many authors fulfil the filter. */
export async function countAuthors(db: ReadDb, filter: AuthorFilter): Promise<number> {
  const search = await searchFor(db, filter)
  const { match, conditions } = search
  const authors = db.selectFrom('authors')
  if (match === undefined && conditions.length === 0) return countRows(authors)
  if (match !== undefined && conditions.length === 0)
    return sqlOf(db).countMatches(db, match, Number.MAX_SAFE_INTEGER)
  const [{ through } = {} as Partial<Condition>, ...others] = conditions
  if (match === undefined && others.length === 0 && through !== undefined) return countRows(through(authors))
  const fewest = await findFewest(db, search, FEW)
  if (match !== undefined && fewest?.condition !== undefined) return countFew(db, filter, search, fewest)
  let total = 0
  for await (const some of candidatesOf(db, search)) total += await countRows(fulfilling(some, conditions))
  return total
}

/** Of those that the index of one condition leaves, each is looked at. */
async function countFew(db: ReadDb, filter: AuthorFilter, search: Search, fewest: Fewest): Promise<number> {
  const bounds = { order: BY_NUMBER, after: undefined, most: FEW }
  return (await findAmongFew(db, filter, search, fewest, bounds)).length
}

const BY_NUMBER: AuthorOrder = { by: 'created_at', descending: false }

async function countRows(query: Query<object>): Promise<number> {
  const { count } = await query.select((eb) => eb.fn.countAll<number>().as('count')).executeTakeFirstOrThrow()
  return count
}
