import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { ReadDb } from './tables.ts'

/** How much there is. */
export interface Contents {
  authors: number
  users: number
}

/** Counts what the database holds. */
export async function countContents(db: ReadDb): Promise<Contents> {
  const { authors } = await db
    .selectFrom('authors')
    .select((eb) => eb.fn.countAll<number>().as('authors'))
    .executeTakeFirstOrThrow()
  const { users } = await db
    .selectFrom('users')
    .select((eb) => eb.fn.countAll<number>().as('users'))
    .executeTakeFirstOrThrow()
  return { authors, users }
}

/** Tables of which the rows are counted one slice after the other, and of sessions those that are alive. */
export type Countable = 'authors' | 'users' | 'sessions'

/** Some hundred microseconds of an index, or a round trip. */
const ROWS_A_SLICE = 2000

interface Slice {
  rows: number
  counted: number | null
  last: string | null
}

/** The same for many rows, which may change meanwhile: others have their turn after each slice. */
export async function countInSlices(db: ReadDb, what: Countable): Promise<number> {
  const now = new Date().toISOString()
  let total = 0
  for (let after = ''; ; await yieldToEventLoop()) {
    const { rows, counted, last } = await (what === 'sessions'
      ? countSomeSessions(db, after, now)
      : countSome(db, what, after))
    total += counted ?? 0
    if (rows < ROWS_A_SLICE) return total
    after = last as string
  }
}

async function countSome(db: ReadDb, table: 'authors' | 'users', after: string): Promise<Slice> {
  return db
    .selectFrom((eb) =>
      eb.selectFrom(table).select('id').where('id', '>', after).orderBy('id').limit(ROWS_A_SLICE).as('slice')
    )
    .select((eb) => [
      eb.fn.countAll<number>().as('rows'),
      eb.fn.countAll<number>().as('counted'),
      eb.fn.max<string | null>('id').as('last')
    ])
    .executeTakeFirstOrThrow()
}

async function countSomeSessions(db: ReadDb, after: string, now: string): Promise<Slice> {
  return db
    .selectFrom((eb) =>
      eb
        .selectFrom('sessions')
        .select(['id', 'ended_at', 'idle_expires_at', 'expires_at'])
        .where('id', '>', after)
        .orderBy('id')
        .limit(ROWS_A_SLICE)
        .as('slice')
    )
    .select((eb) => [
      eb.fn.countAll<number>().as('rows'),
      eb.fn
        .count<number>(
          eb
            .case()
            .when(
              eb.and([
                eb('ended_at', 'is', null),
                eb('idle_expires_at', '>', now),
                eb('expires_at', '>', now)
              ])
            )
            .then(1)
            .end()
        )
        .as('counted'),
      eb.fn.max<string | null>('id').as('last')
    ])
    .executeTakeFirstOrThrow()
}
