import { compiledOnce } from '../compiled.ts'
import type { Db, ReadDb } from '../database.ts'
import { inserter } from '../insert-many.ts'

/** An index of the authors by the words of name, book and country, kept beside `authors.words`. */
export interface AuthorWordsTable {
  word: string
  author_id: string
}

/** Inserts words of authors. */
export const insertWords = inserter('author_words', ['word', 'author_id'])

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
    authors.flatMap(({ id, words }) => splitWords(words).map((word) => ({ word, author_id: id })))
  )
}

const selectWords = compiledOnce<{ id: string }>()((db, { id }) =>
  db.selectFrom('authors').select('words').where('id', '=', id)
)

async function storedWords(db: ReadDb, id: string): Promise<string> {
  const [row] = (await selectWords(db, { id })).rows
  return (row as Worded).words
}

/** Makes an author to be found by `words` in place of those that are stored; call it before these are overwritten. */
export async function replaceWords(trx: Db, { id, words }: Worded): Promise<void> {
  const stored = await storedWords(trx, id)
  if (stored === words) return
  const [before, after] = [new Set(splitWords(stored)), new Set(splitWords(words))]
  await removeWords(trx, id, [...before.difference(after)])
  await insertWords(
    trx,
    [...after.difference(before)].map((word) => ({ word, author_id: id }))
  )
}

/** Makes an author not to be found any more; call it while the author is still there. */
export async function deleteWords(trx: Db, id: string): Promise<void> {
  await removeWords(trx, id, splitWords(await storedWords(trx, id)))
}

async function removeWords(trx: Db, id: string, words: string[]): Promise<void> {
  if (words.length === 0) return
  await trx.deleteFrom('author_words').where('author_id', '=', id).where('word', 'in', words).execute()
}

/** Single words of a row's `words`. */
export function splitWords(words: string): string[] {
  return words.split(' ').slice(1)
}

/** The ids of the authors with a word that begins so, through the index. */
export function idsByWord(db: ReadDb, prefix: string) {
  return db
    .selectFrom('author_words')
    .select('author_id as id')
    .where('word', '>=', prefix)
    .where('word', '<', prefix + LAST)
}
