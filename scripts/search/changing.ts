/** Writes between the searches: words come, go and come back. */
import { below, pick, type Random } from '../../bench/random.ts'
import type { AuthorRecord } from '../../db/authors/table.ts'
import { inventAuthor, inventBook, inventCountry, inventName } from './authors.ts'
import type { User } from './service.ts'
import type { Vocabulary } from './words.ts'

/** Who may change which authors; both in an order that does not depend on ids. */
export interface Changing {
  random: Random
  vocabulary: Vocabulary
  users: readonly User[]
  authors: readonly AuthorRecord[]
  /** Authors that were deleted, as they were last. */
  deleted: AuthorRecord[]
}

/** Writes may be refused: another author may have the name and book, or the identifier. */
const EXPECTED = new Set([200, 201, 204, 400, 404, 409])

/** Makes so many changes, one after another; gives the authors concerned, as they were before. */
export async function changeSome(changing: Changing, count: number): Promise<AuthorRecord[]> {
  const before: AuthorRecord[] = []
  for (let number = 0; number < count; number++) {
    const concerned = await changeOne(changing)
    if (concerned !== undefined) before.push(concerned)
  }
  return before
}

/** Gives the author as it was, if there was one; nothing is done to those whose owner has left. */
async function changeOne({ random, vocabulary, users, authors, deleted }: Changing) {
  const which = random()
  const isRestoring = which >= 0.78 && which < 0.95 && deleted.length > 0
  const author = isRestoring ? takeOne(random, deleted) : pick(random, authors)
  const owner = users.find(({ id }) => id === author.owner_id)
  if (owner === undefined) return undefined
  if (isRestoring) expected(await owner.restore(author))
  else if (which < 0.45) expected(await owner.patch(author, inventPatch(random, vocabulary)))
  else if (which < 0.6) expected(await owner.replace(author, inventAuthor(random, vocabulary)))
  else if (which < 0.78) {
    if (expected(await owner.delete(author)) === 204) deleted.push(author)
  } else {
    expected(await owner.create(inventAuthor(random, vocabulary)))
    return undefined
  }
  return author
}

function takeOne(random: Random, deleted: AuthorRecord[]): AuthorRecord {
  return deleted.splice(below(random, deleted.length), 1)[0] as AuthorRecord
}

function inventPatch(random: Random, vocabulary: Vocabulary): object {
  const which = below(random, 8)
  if (which === 0) return { name: inventName(random, vocabulary) }
  if (which === 1) return { book: inventBook(random, vocabulary) }
  if (which === 2) return { country: inventCountry(random, vocabulary) }
  if (which === 3) return { booker_prize: random() < 0.5 }
  if (which === 4) return { birth_year: random() < 0.3 ? null : 1700 + below(random, 300) }
  if (which === 5) return { sort_name: random() < 0.5 ? null : inventName(random, vocabulary) }
  if (which === 6) return { book: null, country: null }
  return { note: 'another note', country: inventCountry(random, vocabulary) }
}

function expected({ status, text }: { status: number; text: string }): number {
  if (!EXPECTED.has(status)) throw new Error(`a write was answered ${status}: ${text}`)
  return status
}
