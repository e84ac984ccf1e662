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
