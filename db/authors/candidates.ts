import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { sqlOf } from '../engine.ts'
import type { ReadDb } from '../tables.ts'
import type { Search } from './conditions.ts'
import type { Query } from './order.ts'

/** So many rows are looked at in some milliseconds. */
const AT_ONCE = 4000

/**
 * All authors among whom those that a search finds are, so many at a time: those whose words match, or just all. It yields to the
 * event loop in between.
 */
export async function* candidatesOf(db: ReadDb, search: Search): AsyncGenerator<Query<object>> {
  for (let after = 0; ; ) {
    const numbers = await listCandidates(db, search, after)
    yield db.selectFrom('authors').where(sqlOf(db).amongNumbers(numbers))
    if (numbers.length < AT_ONCE) return
    after = numbers.at(-1) as number
    await yieldToEventLoop()
  }
}

async function listCandidates(db: ReadDb, { match }: Search, after: number): Promise<number[]> {
  if (match !== undefined) return sqlOf(db).listMatches(db, match, { after, limit: AT_ONCE })
  const numbers = db.selectFrom('authors').select('number').where('number', '>', after)
  const rows = await numbers.orderBy('number').limit(AT_ONCE).execute()
  return rows.map(({ number }) => number)
}
