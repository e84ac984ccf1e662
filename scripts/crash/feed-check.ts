/** The restarted service's change feed against the journal. */
import type { Journal } from './journal.ts'
import type { Change, Life } from './life.ts'
import { type Client, MOST_ON_PAGE, readAll } from './requests.ts'

/** Reads on after each restart where it has stopped before. */
export class FeedCheck {
  readonly #journal: Journal
  /** The last change that was seen. */
  #sequence = 0

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /**
   * Each acknowledged change once and in order, and beyond them only what was asked and not answered. What has not happened by now
   * is forgotten.
   */
  async read(client: Client): Promise<void> {
    const lives = [...this.#journal.lives]
    const byId = new Map(lives.map((life) => [life.id, life]))
    const byName = new Map(lives.filter(({ id }) => id === undefined).map((life) => [life.name, life]))
    for await (const change of readAll<Change>(
      client,
      `/changes?since=${this.#sequence}&limit=${MOST_ON_PAGE}`
    )) {
      if (change.sequence <= this.#sequence) this.#journal.addFault(`out of order: change ${change.sequence}`)
      this.#sequence = change.sequence
      const life = byId.get(change.author_id) ?? byName.get(change.record?.name ?? '')
      if (life === undefined) this.#journal.addForeign(change.author_id || `(change ${change.sequence})`)
      else this.#follow(life, change)
      if (life?.id !== undefined) byId.set(life.id, life)
    }
    for (const life of lives) {
      this.#missChanges(life, life.versions.length)
      life.pending = []
    }
  }

  #follow(life: Life, change: Change): void {
    this.#missChanges(life, change.version - 1)
    if (change.version === 1) life.createdBy = change.sequence
    const [next] = life.pending
    const isKnown = change.version <= life.versions.length
    const isExpected = isKnown
      ? change.version > life.shown && life.isVersion(change)
      : next?.operation === change.operation && life.take(next, change.record) && life.isVersion(change)
    life.shown = change.version
    if (!isExpected)
      this.#journal.distrust(life, `not as it was sent: change ${change.version} of ${change.author_id}`)
  }

  #missChanges(life: Life, last: number): void {
    if (life.shown < last && life.isTrusted) {
      this.#journal.addLost(life.label, `changes ${life.shown + 1} to ${last} in the feed`)
    }
    life.shown = Math.max(life.shown, last)
  }
}
