/** The restarted service's authors against the journal. */
import { randomInt } from 'node:crypto'
import pLimit from 'p-limit'
import type { Journal } from './journal.ts'
import type { Attempt, Author, Change, Life } from './life.ts'
import { ask, type Client, read, readAll } from './requests.ts'
import { authorIn, creation } from './writers.ts'

const READS_AT_ONCE = 32
const MOST_ON_PAGE = 100

/** Compares after each restart; it remembers how far it has read the change feed. */
export class AuthorsCheck {
  readonly #journal: Journal
  /** The last change that was seen. */
  #sequence = 0

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** What was touched since the last restart in every way in which it is shown, and all else as the list shows it. */
  async compare(client: Client): Promise<void> {
    const { touched } = this.#journal
    await this.#readFeed(client)
    for (const life of touched) life.pending = undefined
    const limit = pLimit(READS_AT_ONCE)
    await limit.map(touched, async (life) => life.id !== undefined && this.#lookAt(client, life))
    await this.#readList(client)
    await limit.map(touched, (life) => this.#sendAgain(client, life))
    for (const life of touched) if (life.id === undefined) this.#journal.lives.delete(life)
    touched.clear()
  }

  /** Each acknowledged change once and in order, and else only what was asked and not answered. */
  async #readFeed(client: Client): Promise<void> {
    const { lives, touched } = this.#journal
    const byId = new Map([...lives].map((life) => [life.id, life]))
    const byName = new Map([...touched].filter(({ id }) => id === undefined).map((life) => [life.name, life]))
    for await (const change of readAll<Change>(
      client,
      `/changes?since=${this.#sequence}&limit=${MOST_ON_PAGE}`
    )) {
      if (change.sequence <= this.#sequence) this.#journal.addFault(`out of order: change ${change.sequence}`)
      this.#sequence = change.sequence
      const life = byId.get(change.author_id) ?? byName.get(change.record?.name ?? '')
      if (life === undefined) this.#journal.addForeign(change.author_id)
      else this.#follow(life, change)
    }
    for (const life of lives)
      if (life.shown < life.versions.length) this.#missChanges(life, life.versions.length)
  }

  #follow(life: Life, change: Change): void {
    this.#missChanges(life, change.version - 1)
    const { pending } = life
    const isKnown = change.version <= life.versions.length
    const isExpected = isKnown
      ? change.version > life.shown && life.isVersion(change)
      : pending?.operation === change.operation && life.take(pending, change.record) && life.isVersion(change)
    life.shown = change.version
    if (!isExpected)
      this.#journal.distrust(life, `not as it was sent: change ${change.version} of ${change.author_id}`)
  }

  #missChanges(life: Life, last: number): void {
    if (life.shown < last && life.isTrusted) {
      this.#journal.addLost(nameOf(life), `changes ${life.shown + 1} to ${last} in the feed`)
    }
    life.shown = Math.max(life.shown, last)
  }

  async #lookAt(client: Client, life: Life): Promise<void> {
    await this.#lookAtAuthor(client, life)
    if (life.isTrusted) await this.#lookAtHistory(client, life)
    if (life.isTrusted) await this.#search(client, life)
  }

  async #lookAtAuthor(client: Client, life: Life): Promise<void> {
    const { status, text, etag } = await ask(client, { path: `/authors/${life.id}` })
    if (life.isDeleted) {
      if (status !== 404) this.#journal.distrust(life, `not deleted: ${nameOf(life)}`)
      return
    }
    if (status === 404) return this.#lose(life, 'the whole')
    life.etag ??= etag as string
    const isSame = text === JSON.stringify(life.author) && etag === life.etag
    if (!isSame)
      this.#journal.distrust(life, `changed: GET of ${nameOf(life)} answered ${status} ${etag} ${text}`)
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
    if (!isWhole) this.#journal.distrust(life, `changed: the history of ${nameOf(life)}`)
  }

  /** By one of the words that no other author has. */
  async #search(client: Client, life: Life): Promise<void> {
    const { name, book } = life.lastContent
    const word = (randomInt(2) === 0 ? name : book).split(' ').at(-1)
    const { data } = await read<{ data: Author[] }>(client, `/authors?q=${word}`)
    const found = data.map(({ id }) => id).join()
    const isRight = found === (life.isDeleted ? '' : life.id)
    if (!isRight) this.#journal.distrust(life, `by its word ${word} is found [${found}]: ${nameOf(life)}`)
  }

  /** Every author of every round. */
  async #readList(client: Client): Promise<void> {
    const present = new Map<string, string>()
    for await (const author of readAll<Author>(client, `/authors?limit=${MOST_ON_PAGE}`)) {
      present.set(author.id, JSON.stringify(author))
    }
    for (const life of this.#journal.lives) {
      const { id = '', author } = life
      const listed = present.get(id)
      present.delete(id)
      if (author === null && listed === undefined) continue
      if (listed === undefined) this.#lose(life, 'the whole')
      else if (listed !== JSON.stringify(author))
        this.#journal.distrust(life, `changed: ${nameOf(life)} in the list`)
    }
    for (const id of present.keys()) this.#journal.addForeign(id)
  }

  #lose(life: Life, what: string): void {
    if (life.isTrusted) this.#journal.addLost(nameOf(life), what)
    life.isTrusted = false
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
      this.#journal.distrust(life, `sent again: the creation of ${nameOf(life)} was answered ${told}`)
    }
  }
}

function nameOf({ id, name }: Life): string {
  return `author ${id ?? name}`
}
