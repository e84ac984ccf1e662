import type { Tell } from './events.ts'
import { replay } from './replay.ts'
import type { MoveTarget } from './side.ts'
import { checkWords, WordSum } from './words-check.ts'

/** Whether the log leads to the authors, and they are found by their words. Throws `NotReplayed` or `OtherWords`. */
export async function checkAuthors(target: MoveTarget, tell: Tell): Promise<void> {
  const words = new WordSum(target)
  await replay(target.db, { tell, visit: (number, author) => words.addAuthor(number, author) })
  await checkWords(target, words, tell)
}
