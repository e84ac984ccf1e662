/** Clients that write authors of their own, each one request after the other, until the service is gone. */
import { randomInt, randomUUID } from 'node:crypto'
import { actOn, perform } from './author-acts.ts'
import type { Journal } from './journal.ts'
import { Life, randomContent } from './life.ts'
import type { Client } from './requests.ts'

const MOST_LIVES = 3
/** Of so many creations one can be sent again. */
const KEYED_OF = 3

/** One such client. */
export class Writer {
  readonly #journal: Journal
  #lives: Life[] = []

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** Ends when the connection breaks; that, or a 5xx, leaves open what became of the last request. */
  async write(client: Client, onAnswer: () => void): Promise<void> {
    this.#lives = this.#lives.filter(({ isTrusted, id }) => isTrusted && id !== undefined)
    for (;;) {
      const life = this.#choose()
      const isAnswered = await perform(this.#journal, client, life, actOn(life))
      if (!isAnswered) return
      onAnswer()
    }
  }

  #choose(): Life {
    const lives = this.#lives.filter(({ isTrusted }) => isTrusted)
    const known = lives[randomInt(MOST_LIVES + 1)]
    if (known !== undefined) return known
    const life = new Life(randomContent(), randomInt(KEYED_OF) === 0 ? randomUUID() : undefined)
    this.#lives = [life, ...lives].slice(0, MOST_LIVES)
    return life
  }
}
