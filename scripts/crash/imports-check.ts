/** The restarted service's authors, file by file of those that were imported, against what their clients were told. */
import { randomInt } from 'node:crypto'
import type { ImportFile } from './import-file.ts'
import type { Journal } from './journal.ts'
import type { Author, Life } from './life.ts'
import { type Client, MOST_ON_PAGE, readAll } from './requests.ts'

/** Of each file so many authors are looked at in every way. */
const LOOKED_AT = 5

/** Compares after each restart, once the feed has been read, the files that were sent since the last one. */
export class ImportsCheck {
  readonly #journal: Journal

  constructor(journal: Journal) {
    this.#journal = journal
  }

  async compare(client: Client): Promise<void> {
    for (const file of this.#journal.files) {
      const created = file.rows.filter(({ id }) => id !== undefined)
      this.#count(file, created)
      this.#compareOrder(file, created)
      await this.#search(client, file, created)
      if (created.length > 0) this.#touchSome(created)
    }
  }

  /** All rows when that was acknowledged; if not, all or none, or in parts as many as it got to. */
  #count(file: ImportFile, created: Life[]): void {
    const { rows, mode, label, isAcknowledged } = file
    if (created.length === rows.length) return
    if (isAcknowledged) this.#journal.addLost(label, `${rows.length - created.length} of ${rows.length} rows`)
    const isPossible = mode === 'all' ? created.length === 0 : created.every((life, at) => life === rows[at])
    if (!isPossible) this.#journal.addFault(`half: ${created.length} of ${rows.length} rows of ${label}`)
  }

  #compareOrder({ label }: ImportFile, created: Life[]): void {
    const isInOrder = created.every(({ createdBy }, at) => createdBy > (created[at - 1]?.createdBy ?? 0))
    if (!isInOrder) this.#journal.addFault(`out of order in the feed: the rows of ${label}`)
  }

  async #search(client: Client, { word, label }: ImportFile, created: Life[]): Promise<void> {
    const missing = new Map(created.map((life) => [life.id, life]))
    for await (const author of readAll<Author>(client, `/authors?q=${word}&limit=${MOST_ON_PAGE}`)) {
      const life = missing.get(author.id)
      if (life === undefined) this.#journal.addForeign(author.id)
      else if (JSON.stringify(author) !== JSON.stringify(life.author))
        this.#journal.distrust(life, `changed: ${life.label} among those that are found`)
      missing.delete(author.id)
    }
    if (missing.size > 0)
      this.#journal.addFault(`not found: ${missing.size} of ${created.length} rows of ${label}`)
  }

  #touchSome(created: Life[]): void {
    for (let left = LOOKED_AT; left > 0; left--) {
      this.#journal.touched.add(created[randomInt(created.length)] as Life)
    }
  }
}
