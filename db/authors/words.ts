import type { Db } from '../database.ts'
import { inserter } from '../insert-many.ts'

/** An index of the authors by the words of name, book and country, kept beside `authors.words`. */
export interface AuthorWordsTable {
  word: string
  author_id: string
}

const insertWords = inserter('author_words', ['word', 'author_id'])

/** Above every character that a word can have. */
const LAST = '\u{10FFFF}'

interface Worded {
  id: string
  /** Each word after a space. */
  words: string
}

/** Makes the authors to be found by their words. */
export async function addWords(trx: Db, authors: readonly Worded[]): Promise<void> {
  await insertWords(
    trx,
    authors.flatMap(({ id, words }) => split(words).map((word) => ({ word, author_id: id })))
  )
}

/** Makes an author to be found by `words` in place of those that are stored; call it before these are overwritten. */
export async function replaceWords(trx: Db, { id, words }: Worded): Promise<void> {
  const stored = await trx
    .selectFrom('authors')
    .select('words')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  if (stored.words === words) return
  const [before, after] = [new Set(split(stored.words)), new Set(split(words))]
  await removeWords(trx, id, [...before.difference(after)])
  await insertWords(
    trx,
    [...after.difference(before)].map((word) => ({ word, author_id: id }))
  )
}

/** Makes an author not to be found any more; call it while the author is still there. */
export async function deleteWords(trx: Db, id: string): Promise<void> {
  const { words } = await trx
    .selectFrom('authors')
    .select('words')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  await removeWords(trx, id, split(words))
}

async function removeWords(trx: Db, id: string, words: string[]): Promise<void> {
  if (words.length === 0) return
  await trx.deleteFrom('author_words').where('author_id', '=', id).where('word', 'in', words).execute()
}

function split(words: string): string[] {
  return words.split(' ').slice(1)
}

/** The ids of the authors with a word that begins so, through the index. */
export function idsByWord(db: Db, prefix: string) {
  return db
    .selectFrom('author_words')
    .select('author_id as id')
    .where('word', '>=', prefix)
    .where('word', '<', prefix + LAST)
}
