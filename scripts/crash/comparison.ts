import { AccountsCheck } from './accounts-check.ts'
import { AuthorsCheck } from './authors-check.ts'
import { FeedCheck } from './feed-check.ts'
import type { Journal } from './journal.ts'
import { ListCheck } from './list-check.ts'
import type { Client } from './requests.ts'
import { unsoundness } from './soundness.ts'

/** Compares what is there after each restart with what the clients were told. */
export class Comparison {
  readonly #journal: Journal
  readonly #databaseFile: string
  readonly #accounts: AccountsCheck
  readonly #feed: FeedCheck
  readonly #authors: AuthorsCheck
  readonly #list: ListCheck

  /** The journal knows of all users but `others`, which are ids. */
  constructor(journal: Journal, databaseFile: string, others: readonly string[]) {
    this.#journal = journal
    this.#databaseFile = databaseFile
    this.#accounts = new AccountsCheck(journal, others)
    this.#feed = new FeedCheck(journal)
    this.#authors = new AuthorsCheck(journal)
    this.#list = new ListCheck(journal, databaseFile)
  }

  /** What was touched since the last restart in every way in which it is shown, and all else as lists show it. */
  async run(client: Client, isLast: boolean): Promise<void> {
    await Promise.all([this.#accounts.compare(client, isLast), this.#compareAuthors(client, isLast)])
    for (const fault of unsoundness(this.#databaseFile)) this.#journal.addFault(fault)
    this.#journal.settle()
  }

  /** The feed first: it tells what became of that which was not answered. */
  async #compareAuthors(client: Client, isLast: boolean): Promise<void> {
    await this.#feed.read(client)
    await this.#authors.lookAtAll(client)
    await this.#list.compare(client, isLast)
    await this.#authors.sendAllAgain(client)
  }
}
