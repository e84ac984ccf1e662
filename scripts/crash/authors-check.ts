/** Authors of the restarted service in every way in which it shows them, against the journal. */
import { randomInt } from 'node:crypto'
import pLimit from 'p-limit'
import { authorIn, creation } from './author-acts.ts'
import type { Journal } from './journal.ts'
import type { Attempt, Author, Change, Life } from './life.ts'
import { ask, type Client, MOST_ON_PAGE, read } from './requests.ts'

const READS_AT_ONCE = 32

/** Compares after each restart what was touched since the last one. */
export class AuthorsCheck {
  readonly #journal: Journal
  readonly #limit = pLimit(READS_AT_ONCE)

  constructor(journal: Journal) {
    this.#journal = journal
  }

  async lookAtAll(client: Client): Promise<void> {
    await this.#limit.map(
      this.#journal.touched,
      async (life) => life.id !== undefined && this.#lookAt(client, life)
    )
  }

  /** Sends creations again, whether they were answered or not. */
  async sendAllAgain(client: Client): Promise<void> {
    await this.#limit.map(this.#journal.touched, (life) => this.#sendAgain(client, life))
  }

  async #lookAt(client: Client, life: Life): Promise<void> {
    await this.#lookAtAuthor(client, life)
    if (life.isTrusted) await this.#lookAtHistory(client, life)
    if (life.isTrusted) await this.#search(client, life)
  }

  async #lookAtAuthor(client: Client, life: Life): Promise<void> {
    const { status, text, etag } = await ask(client, { path: `/authors/${life.id}` })
    if (life.isDeleted) {
      if (status !== 404) this.#journal.distrust(life, `not deleted: ${life.label}`)
      return
    }
    if (status === 404) return this.#journal.lose(life, 'the whole')
    life.etag ??= etag as string
    const isSame = text === JSON.stringify(life.author) && etag === life.etag
    if (!isSame)
      this.#journal.distrust(life, `changed: GET of ${life.label} answered ${status} ${etag} ${text}`)
  }

  /** Newest first, and the newest are all that this round can have touched. */
  async #lookAtHistory(client: Client, life: Life): Promise<void> {
    const path = `/authors/${life.id}/history?limit=${MOST_ON_PAGE}`
    const { status, text } = await ask(client, { path })
    const changes: Change[] = status === 200 ? JSON.parse(text).data : []
    const newest = life.versions.length
    const isWhole =
      changes.length === Math.min(newest, MOST_ON_PAGE) &&
      changes.every((change, index) => change.version === newest - index && life.isVersion(change))
    if (!isWhole) this.#journal.distrust(life, `changed: the history of ${life.label}`)
  }

  /** By one of the words that no other author has. */
  async #search(client: Client, life: Life): Promise<void> {
    const { name, book } = life.lastContent
    const word = (randomInt(2) === 0 ? name : book).split(' ').at(-1)
    const { data } = await read<{ data: Author[] }>(client, `/authors?q=${word}`)
    const found = data.map(({ id }) => id).join()
    const isRight = found === (life.isDeleted ? '' : life.id)
    if (!isRight) this.#journal.distrust(life, `by its word ${word} is found [${found}]: ${life.label}`)
  }

  /** A creation with a key gives what it gave, or would have given, and creates nothing more. */
  async #sendAgain(client: Client, life: Life): Promise<void> {
    if (life.key === undefined || !life.isTrusted) return
    const { call, attempt } = creation(life)
    const answer = await ask(client, call)
    const isRight =
      life.id === undefined
        ? answer.status === 201 && life.take(attempt as Attempt, authorIn(answer), answer.etag as string)
        : answer.status === 201 && answer.text === JSON.stringify(life.versions[0]?.record)
    if (!isRight) {
      const told = `${answer.status} ${answer.text}`
      this.#journal.distrust(life, `sent again: the creation of ${life.label} was answered ${told}`)
    }
  }
}
