/** Every author that there is against the journal. */
import type { Journal } from './journal.ts'
import type { Author, Life } from './life.ts'
import { readBeside } from './reading.ts'
import { type Client, MOST_ON_PAGE, readAll } from './requests.ts'

/** Compares after each restart; it remembers how far back the list was right. */
export class ListCheck {
  readonly #journal: Journal
  readonly #databaseUrl: string
  /** When the newest author of the last comparison was created. */
  #since = ''

  constructor(journal: Journal, databaseUrl: string) {
    this.#journal = journal
    this.#databaseUrl = databaseUrl
  }

  /** The new ones as the list shows them, at the last all of them, and each time all as they are in the database. */
  async compare(client: Client, isLast: boolean): Promise<void> {
    const since = isLast ? '' : this.#since
    const listed = await this.#readList(client, since)
    this.#match(listed, 'in the list', ({ author }) => author !== null && author.created_at >= since)
    this.#match(await this.#readDatabase(), 'in the database', ({ author }) => author !== null)
  }

  /** The newest come first. */
  async #readList(client: Client, since: string): Promise<Map<string, string>> {
    const listed = new Map<string, string>()
    for await (const author of readAll<Author>(client, `/authors?limit=${MOST_ON_PAGE}`)) {
      if (author.created_at < since) break
      if (author.created_at > this.#since) this.#since = author.created_at
      listed.set(author.id, JSON.stringify(author))
    }
    return listed
  }

  #readDatabase(): Promise<Map<string, string>> {
    return readBeside(this.#databaseUrl, async (db) => {
      const authors = await db.selectFrom('authors').select(['id', 'record']).execute()
      return new Map(authors.map(({ id, record }) => [id, record]))
    })
  }

  #match(present: Map<string, string>, where: string, isExpected: (life: Life) => boolean): void {
    for (const life of this.#journal.lives) {
      const { id = '', author } = life
      const text = present.get(id)
      present.delete(id)
      if (text === undefined) {
        if (isExpected(life)) this.#journal.lose(life, 'the whole')
      } else if (text !== JSON.stringify(author)) {
        this.#journal.distrust(life, `changed: ${life.label} ${where}`)
      }
    }
    for (const id of present.keys()) this.#journal.addForeign(id)
  }
}
