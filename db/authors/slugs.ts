import { compiledOnce } from '../compiled.ts'
import type { Db } from '../database.ts'

/**
 * `base`, or `base` with a number that is free. Doubling steps find a free number and halving ones the first after
 * a taken one, so that a thousand namesakes cost some twenty look-ups, not a thousand.
 */
export async function findFreeSlug(trx: Db, base: string): Promise<string> {
  if (await isSlugFree(trx, base)) return base
  let taken = 1
  let free = 2
  while (!(await isSlugFree(trx, `${base}-${free}`))) {
    taken = free
    free *= 2
  }
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2)
    if (await isSlugFree(trx, `${base}-${middle}`)) free = middle
    else taken = middle
  }
  return `${base}-${free}`
}

const selectBySlug = compiledOnce((db) =>
  db.selectFrom('authors').select('id').where('slug', '=', 'the slug')
)

export async function isSlugFree(trx: Db, slug: string): Promise<boolean> {
  return (await selectBySlug(trx, [slug])).rows.length === 0
}
