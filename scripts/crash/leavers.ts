/** Clients that make an account, create or import authors with it, and delete it, until the service is gone. */
import { randomInt } from 'node:crypto'
import { Account, type Session } from './account.ts'
import { bearer, deletion, login, perform, register } from './account-acts.ts'
import * as authorActs from './author-acts.ts'
import { ImportFile } from './import-file.ts'
import { sendFile } from './importers.ts'
import type { Journal } from './journal.ts'
import type { Signals } from './killing.ts'
import { Life, randomContent } from './life.ts'
import { ask, type Client } from './requests.ts'

/** To register, log in, have authors, and delete the account. */
const STEPS = 4
const LEAST_CREATED = 20
const MOST_CREATED = 60
const LEAST_IMPORTED = 100
const MOST_IMPORTED = 250
/** With so many authors a deletion has several slices. */
const MANY_AUTHORS = 120

/** One such client. */
export class Leaver {
  readonly #journal: Journal
  #account = new Account()

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /** Deletes a first account, whose name is left free. */
  async settle(client: Client): Promise<void> {
    const nobody: Signals = { onAnswer() {}, onDeletion() {} }
    for (let step = 0; step < STEPS; step++) await this.#step(client, nobody)
    this.#account = new Account()
  }

  /** Goes on where it has ended; it ends when the connection breaks; that, or a 5xx, leaves open what became of what it asked last. */
  async leave(client: Client, signals: Signals): Promise<void> {
    this.#account.authors = this.#account.authors.filter(({ id }) => id !== undefined)
    for (;;) {
      const isAnswered = await this.#step(client, signals)
      if (!isAnswered) return
      signals.onAnswer()
    }
  }

  #step(client: Client, signals: Signals): Promise<boolean> {
    if (this.#account.isDeleted) this.#account = nextAfter(this.#account)
    const account = this.#account
    const session = account.sessions.find(({ isOpen }) => isOpen)
    if (account.id === undefined) return perform(this.#journal, client, account, register(account))
    if (session === undefined) return perform(this.#journal, client, account, login(account))
    if (account.authors.length > 0) return this.#delete(client, session, signals)
    const owner = { url: client.url, headers: bearer(session) }
    return randomInt(2) === 0 ? this.#create(owner) : this.#import(owner)
  }

  async #create(owner: Client): Promise<boolean> {
    const count = randomInt(LEAST_CREATED, MOST_CREATED)
    const lives = Array.from({ length: count }, () => new Life(randomContent()))
    this.#account.authors = lives
    const answers = await Promise.all(
      lives.map((life) => authorActs.perform(this.#journal, owner, life, authorActs.creation(life)))
    )
    return answers.every(Boolean)
  }

  async #import(owner: Client): Promise<boolean> {
    const file = new ImportFile(randomInt(LEAST_IMPORTED, MOST_IMPORTED), 'all')
    this.#account.authors = [...file.rows]
    return sendFile(this.#journal, owner, file)
  }

  async #delete(client: Client, session: Session, { onDeletion }: Signals): Promise<boolean> {
    const { account } = session
    let isOver = false
    const deleted = perform(this.#journal, client, account, deletion(account, session)).finally(() => {
      isOver = true
    })
    if (account.authors.length < MANY_AUTHORS) return deleted
    await becomesInvalid(client, session, () => isOver)
    if (!isOver) onDeletion(true)
    await deleted
    onDeletion(false)
    return deleted
  }
}

/** Its name is free again. */
function nextAfter({ username }: Account): Account {
  return randomInt(2) === 0 ? new Account(username) : new Account()
}

/** Until the token is refused, or it is over, or the service is gone. */
async function becomesInvalid({ url }: Client, session: Session, isOver: () => boolean): Promise<void> {
  const isValid = async () => {
    const answer = await ask({ url, headers: bearer(session) }, { path: '/me' }).catch(() => undefined)
    return answer?.status === 200
  }
  while (!isOver() && (await isValid()));
}
