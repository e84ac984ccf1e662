import { hash } from 'node:crypto'
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import type { AuthorRecord } from '../authors/table.ts'
import { termsOf } from '../authors/words.ts'
import type { Tell } from './events.ts'
import type { Entry, MoveTarget } from './side.ts'

/** The word index does not have the words of the authors. */
export class OtherWords extends Error {}

/** What authors are to be found by, as a sum that is the same in any order. */
export class WordSum {
  readonly #asIndexed: (term: string) => string
  readonly #sums = new Uint32Array(4)
  entries = 0

  constructor({ asIndexed }: Pick<MoveTarget, 'asIndexed'>) {
    this.#asIndexed = asIndexed
  }

  addAuthor(number: number, author: AuthorRecord): void {
    for (const term of new Set(termsOf(author).split(' ').map(this.#asIndexed))) this.add([number, term])
  }

  add([number, term]: Entry): void {
    const digest = hash('md5', `${number} ${term}`, 'buffer')
    // Each wraps around by itself.
    for (let index = 0; index < 4; index += 1) {
      this.#sums[index] = (this.#sums[index] as number) + digest.readUInt32LE(4 * index)
    }
    this.entries += 1
  }

  equals(other: WordSum): boolean {
    return this.entries === other.entries && this.#sums.every((sum, index) => sum === other.#sums[index])
  }
}

/** Compares the word index with what it should have. Throws `OtherWords`. */
export async function checkWords(target: MoveTarget, expected: WordSum, tell: Tell): Promise<void> {
  const actual = new WordSum(target)
  for await (const entries of target.wordEntries()) {
    for (const entry of entries) actual.add(entry)
    await yieldToEventLoop()
    tell({ event: 'finding', done: actual.entries, total: expected.entries })
  }
  if (actual.equals(expected)) return
  throw new OtherWords(
    `the word index of ${target.place} has ${actual.entries} entries, and not those ${expected.entries} of the authors`
  )
}
