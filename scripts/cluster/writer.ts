import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AuthorAct, actOn, authorIn } from '../crash/author-acts.ts'
import type { Journal } from '../crash/journal.ts'
import { Life, randomContent } from '../crash/life.ts'
import type { Answer } from '../crash/requests.ts'
import type { Asker } from './asking.ts'

const MOST_LIVES = 3
/** Of so many creations all but one can be sent again. */
const UNKEYED_OF = 3
const PAUSE_MS = 100
const MOST_TRIES = 300

/** A client that writes authors of its own and reads them, each time on any instance, one request after the other. */
export class ClusterWriter {
  readonly #journal: Journal
  readonly #asker: Asker
  #lives: Life[] = []

  constructor(journal: Journal, asker: Asker) {
    this.#journal = journal
    this.#asker = asker
  }

  /** An author of which it is unknown what became of a request is left to those who read the feed. */
  async write(isOver: () => boolean): Promise<void> {
    this.#lives = this.#lives.filter(({ isTrusted, id }) => isTrusted && id !== undefined)
    while (!isOver()) {
      const life = this.#choose()
      const isKnown = await this.#perform(life, actOn(life))
      if (isKnown) await this.#readBack(life)
      else this.#lives = this.#lives.filter((one) => one !== life)
    }
  }

  #choose(): Life {
    const lives = this.#lives.filter(({ isTrusted }) => isTrusted)
    const known = lives[randomInt(MOST_LIVES + 1)]
    if (known !== undefined) return known
    const life = new Life(randomContent(), randomInt(UNKEYED_OF) === 0 ? undefined : randomUUID())
    this.#lives = [life, ...lives].slice(0, MOST_LIVES)
    return life
  }

  /** What has a key is sent again until it is answered. */
  async #perform(life: Life, act: AuthorAct): Promise<boolean> {
    const { call, attempt } = act
    this.#journal.lives.add(life)
    this.#journal.touched.add(life)
    life.pending = attempt === undefined ? [] : [attempt]
    let answer = await this.#asker.ask(call)
    const isKeyed = call.headers?.['idempotency-key'] !== undefined
    for (let tries = 1; answer === undefined && isKeyed && tries < MOST_TRIES; tries++) {
      await sleep(PAUSE_MS)
      answer = await this.#asker.ask(call)
    }
    if (answer === undefined) this.#journal.unknown += 1
    else this.#take(life, act, answer)
    return answer !== undefined
  }

  #take(life: Life, { call, status, attempt }: AuthorAct, answer: Answer): void {
    life.pending = []
    const told = `${call.method} ${call.path} (${life.name}) answered ${answer.status} ${answer.text}`
    if (answer.status !== status) this.#journal.distrust(life, told)
    else if (attempt !== undefined) {
      this.#journal.acknowledged += 1
      const isRight = life.take(attempt, authorIn(answer), answer.etag ?? undefined)
      if (!isRight) this.#journal.distrust(life, told)
    }
  }

  /** The very next request, whichever instance gets it, sees what was acknowledged. */
  async #readBack(life: Life): Promise<void> {
    if (life.id === undefined || !life.isTrusted) return
    const answer = await this.#asker.ask({ path: `/authors/${life.id}` })
    if (answer === undefined) return
    const isRight = life.isDeleted
      ? answer.status === 404
      : answer.text === JSON.stringify(life.author) && answer.etag === life.etag
    if (!isRight)
      this.#journal.distrust(
        life,
        `out of date: GET of ${life.label} answered ${answer.status} ${answer.text}`
      )
  }
}
