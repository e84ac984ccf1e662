import { isDeepStrictEqual } from 'node:util'
import { AccountsCheck } from '../crash/accounts-check.ts'
import { AuthorsCheck } from '../crash/authors-check.ts'
import { FeedCheck } from '../crash/feed-check.ts'
import type { Journal } from '../crash/journal.ts'
import type { Author, Change } from '../crash/life.ts'
import { type Client, MOST_ON_PAGE, readAll } from '../crash/requests.ts'
import type { Follower } from './follower.ts'

/** Compares after each round what the instances show with what the clients were told. */
export class ClusterComparison {
  readonly #journal: Journal
  readonly #accounts: AccountsCheck
  readonly #feed: FeedCheck
  readonly #authors: AuthorsCheck
  /** The last change that was compared. */
  #since = 0

  /** The journal knows of all users but this one. */
  constructor(journal: Journal, userId: string) {
    this.#journal = journal
    this.#accounts = new AccountsCheck(journal, [userId])
    this.#feed = new FeedCheck(journal)
    this.#authors = new AuthorsCheck(journal)
  }

  async run(client: Client, instances: readonly Client[], followers: readonly Follower[]): Promise<void> {
    const feed = await this.#readFeeds(instances)
    for (const follower of followers) await follower.compare(feed)
    // It tells what became of requests that were not answered.
    await this.#feed.read(client)
    await this.#authors.lookAtAll(client)
    await this.#compareList(client)
    await this.#authors.sendAllAgain(client)
    await this.#accounts.compare(client, false)
    this.#journal.endRound()
  }

  /** All instances give the same changes, without a gap. */
  async #readFeeds(instances: readonly Client[]): Promise<Change[]> {
    const feeds = await Promise.all(
      instances.map((instance) =>
        readWhole<Change>(instance, `/changes?since=${this.#since}&limit=${MOST_ON_PAGE}`)
      )
    )
    const [feed = [], ...others] = feeds
    if (others.some((other) => !isDeepStrictEqual(other, feed)))
      this.#journal.addFault('the feed is not the same on all instances')
    for (const { sequence } of feed) {
      if (sequence !== this.#since + 1)
        this.#journal.addFault(`no whole feed: ${this.#since} is followed by ${sequence}`)
      this.#since = sequence
    }
    return feed
  }

  async #compareList(client: Client): Promise<void> {
    const listed = await readWhole<Author>(client, `/authors?limit=${MOST_ON_PAGE}`)
    const texts = new Map(listed.map((author) => [author.id, JSON.stringify(author)]))
    if (texts.size !== listed.length) this.#journal.addFault('the list shows an author twice')
    for (const life of this.#journal.lives) {
      const { id = '', author, label } = life
      const text = texts.get(id)
      texts.delete(id)
      if (text === undefined && author !== null) this.#journal.lose(life, 'the whole')
      else if (text !== undefined && text !== JSON.stringify(author))
        this.#journal.distrust(life, `changed: ${label} in the list`)
    }
    for (const id of texts.keys()) this.#journal.addForeign(id)
  }
}

async function readWhole<T>(client: Client, path: string): Promise<T[]> {
  const entries: T[] = []
  for await (const entry of readAll<T>(client, path)) entries.push(entry)
  return entries
}
