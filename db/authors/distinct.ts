/** Several authors that have nothing in common, created at the cost of few statements. */
import type { Actor, Stamp } from '../command.ts'
import { itemsBefore } from '../items-before.ts'
import type { Db, ReadDb } from '../tables.ts'
import { slugOfFolded } from '../text.ts'
import { arrivalOf, insertArrivals } from './arrivals.ts'
import { impossibleLife } from './content.ts'
import { nextPlace, placeAfter } from './next-place.ts'
import { type AuthorContent, type AuthorRow, completed, type FoldedTexts, foldTexts } from './table.ts'
import { findHolders, findSame, findTakenSlugs, identifiersOf, keyOf } from './taken.ts'

interface Creation extends Stamp {
  content: AuthorContent
  actor: Actor
}

interface Candidate extends Creation {
  folded: FoldedTexts
  slug: string
  /** What none of the others may have. */
  marks: string[]
}

/**
 * Inserts the first of these authors, as many as have no name and book, slug or identifier of another one, in the catalogue or before it in the
 * list, nor what an author cannot have.
 */
export async function insertDistinct(trx: Db, creations: readonly Creation[]): Promise<AuthorRow[]> {
  const possible = itemsBefore(creations, ({ content }) => impossibleLife(content) !== undefined)
  const candidates = firstApart(possible.map(candidateOf))
  const [first] = candidates
  if (first === undefined) return []
  const [place, taken] = await Promise.all([nextPlace(trx, first.id), findTaken(trx, candidates)])
  const free = itemsBefore(candidates, ({ marks }) => marks.some((mark) => taken.has(mark)))
  let next = place
  const arrivals = free.map((candidate, index) => {
    if (index > 0) next = placeAfter(next, candidate.id)
    return arrivalOf({ ...candidate, place: next })
  })
  return insertArrivals(trx, place.number, arrivals)
}

function candidateOf(creation: Creation): Candidate {
  const folded = foldTexts(creation.content)
  const slug = slugOfFolded(folded.name)
  return {
    ...creation,
    folded,
    slug,
    marks: [nameMark(keyOf(folded)), slugMark(slug), ...identifiersOf(completed(creation.content))]
  }
}

const nameMark = (key: string) => `name ${key}`
const slugMark = (slug: string) => `slug ${slug}`

function firstApart(candidates: Candidate[]): Candidate[] {
  const seen = new Set<string>()
  return itemsBefore(candidates, ({ marks }) => {
    const isSeen = marks.some((mark) => seen.has(mark))
    for (const mark of marks) seen.add(mark)
    return isSeen
  })
}

/** The marks that authors of the catalogue have. */
async function findTaken(db: ReadDb, candidates: readonly Candidate[]): Promise<Set<string>> {
  const [same, slugs, holders] = await Promise.all([
    findSame(
      db,
      candidates.map(({ folded }) => folded)
    ),
    findTakenSlugs(
      db,
      candidates.map(({ slug }) => slug)
    ),
    findHolders(
      db,
      candidates.map(({ content }) => completed(content))
    )
  ])
  const marksOf = (found: [string, unknown][]) => found.map(([mark]) => mark)
  return new Set([...marksOf(same).map(nameMark), ...slugs.map(slugMark), ...marksOf(holders)])
}
