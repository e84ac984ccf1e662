import { compiledOnce } from '../compiled.ts'
import type { ReadDb } from '../tables.ts'

/**
 * `base`, or `base` with a number that is free. Doubling steps find a free number and halving ones the first after
 * a taken one, so that a thousand namesakes cost some twenty look-ups, not a thousand.
 */
export async function findFreeSlug(db: ReadDb, base: string): Promise<string> {
  return firstFreeSlug(base, (slug) => isSlugFree(db, slug))
}

/** The same for what is free by another judgement. */
export async function firstFreeSlug(
  base: string,
  isFree: (slug: string) => Promise<boolean>
): Promise<string> {
  if (await isFree(base)) return base
  let taken = 1
  let free = 2
  while (!(await isFree(`${base}-${free}`))) {
    taken = free
    free *= 2
  }
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2)
    if (await isFree(`${base}-${middle}`)) free = middle
    else taken = middle
  }
  return `${base}-${free}`
}

const selectBySlug = compiledOnce<{ slug: string }>()((db, { slug }) =>
  db.selectFrom('authors').select('number').where('slug', '=', slug)
)

export async function isSlugFree(db: ReadDb, slug: string): Promise<boolean> {
  return (await selectBySlug(db, { slug })).rows.length === 0
}
