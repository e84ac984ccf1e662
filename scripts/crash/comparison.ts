import { AccountsCheck } from './accounts-check.ts'
import { AuthorsCheck } from './authors-check.ts'
import { unfinishedDeletions } from './deletions.ts'
import { FeedCheck } from './feed-check.ts'
import { ImportsCheck } from './imports-check.ts'
import type { Journal } from './journal.ts'
import { ListCheck } from './list-check.ts'
import { OwnersCheck } from './owners-check.ts'
import type { Place } from './place.ts'
import type { Client } from './requests.ts'
import { unsoundnessOf } from './soundness.ts'
import { leftFiles } from './staged-files.ts'

/** Compares what is there after each restart with what the clients were told. */
export class Comparison {
  readonly #journal: Journal
  readonly #place: Place
  readonly #accounts: AccountsCheck
  readonly #feed: FeedCheck
  readonly #imports: ImportsCheck
  readonly #authors: AuthorsCheck
  readonly #list: ListCheck
  readonly #owners: OwnersCheck

  /** The journal knows of all users but `others`, which are ids. */
  constructor(journal: Journal, place: Place, others: readonly string[]) {
    this.#journal = journal
    this.#place = place
    this.#accounts = new AccountsCheck(journal, others)
    this.#feed = new FeedCheck(journal)
    this.#imports = new ImportsCheck(journal)
    this.#authors = new AuthorsCheck(journal)
    this.#list = new ListCheck(journal, place.databaseUrl)
    this.#owners = new OwnersCheck(journal)
  }

  /**
   * What was touched since the last restart in every way in which it is shown, and all else as lists show it. Tells whether the
   * service had to finish a deletion that was cut short at that time.
   */
  async run(client: Client, killedAt: string, isLast: boolean): Promise<boolean> {
    this.#tellAll('left behind', leftFiles(this.#place))
    this.#tellAll('not finished: the deletion of user', await unfinishedDeletions(this.#place.databaseUrl))
    await Promise.all([this.#accounts.compare(client, isLast), this.#compareAuthors(client, isLast)])
    this.#owners.compare()
    const wasCutShort = this.#owners.wasCutShort(killedAt)
    for (const fault of await unsoundnessOf(this.#place.databaseUrl)) this.#journal.addFault(fault)
    this.#journal.endRound()
    return wasCutShort
  }

  #tellAll(fault: string, names: (string | null)[]): void {
    for (const name of names) this.#journal.addFault(`${fault} ${name}`)
  }

  /** The feed comes first because it tells what became of requests that were not answered. */
  async #compareAuthors(client: Client, isLast: boolean): Promise<void> {
    await this.#feed.read(client)
    await this.#imports.compare(client)
    await this.#authors.lookAtAll(client)
    await this.#list.compare(client, isLast)
    await this.#authors.sendAllAgain(client)
  }
}
